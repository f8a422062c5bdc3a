//! PDQ: the perceptual hash of a picture, its quality and its eight symmetries.
