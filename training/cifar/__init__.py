"""The pruning methods on their own ground: classifiers of CIFAR-10."""
