"""Pictures that are drawn, to try the learned crop and the features on without data of one's own."""
