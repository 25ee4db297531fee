//! The one tie order: better score first, then the lower row.
