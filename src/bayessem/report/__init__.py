"""The report for reviewers: one HTML file that holds everything."""
