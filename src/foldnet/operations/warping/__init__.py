"""Operations of training programs that move the positions of images: turned, moved, enlarged and sheared ones."""
