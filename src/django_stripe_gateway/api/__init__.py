"""The JSON API: views that validate, call one service and answer."""
