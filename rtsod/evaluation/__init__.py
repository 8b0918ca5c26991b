"""How good saliency maps are: metrics, protocols, intervals, pages."""
