"""The app one sees: textual and plotext, never torch."""
