//! Files that are cut, broken, or only a little out of order.
