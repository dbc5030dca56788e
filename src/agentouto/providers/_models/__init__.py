"""Facts about models by name: context windows, prices, and the settings for reasoning."""
