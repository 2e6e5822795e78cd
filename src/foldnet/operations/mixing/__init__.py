"""Operations of training programs in which an image takes something from the others of its batch."""
