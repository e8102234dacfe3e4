"""The scikit-learn contract: validation, devices, seeds, files, containers; no mathematics."""
