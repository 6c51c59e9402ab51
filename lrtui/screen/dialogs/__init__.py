"""Screens and fields that open over the main one."""
