"""The data set ``demo:``: rendered objects on backgrounds, made on your machine, to see that training works."""
