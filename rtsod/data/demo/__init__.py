"""The data set ``demo:``: rendered objects in front of backgrounds, made on this machine, to see that training works."""
