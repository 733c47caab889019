"""Microsoft Azure: the only place that imports its SDK. Loaded by workers, when first used."""
