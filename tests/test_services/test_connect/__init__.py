"""Tests of sellers' accounts."""
