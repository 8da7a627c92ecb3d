"""Pictures with head boxes: readers, checks, cache, augmentation, sampling."""
