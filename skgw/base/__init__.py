"""Scikit-learn contract of the estimators: parameters, validation, devices, seeds and files."""
