"""Bandwatch: a spectrum-monitoring agent that labels, forecasts and explains what a radio hears."""

__version__ = "0.1.0"
