//! The black-box tests of the real binary.
