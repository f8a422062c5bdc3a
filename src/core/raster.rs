//! Pixels of a picture and the changes made to them before hashing: turning, trimming, compositing, luma.
