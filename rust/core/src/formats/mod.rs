//! See the files of this module.
