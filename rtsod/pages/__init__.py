"""What all report pages share: HTML elements with one style sheet, and plots in the same colours."""
