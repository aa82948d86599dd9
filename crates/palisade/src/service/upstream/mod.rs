//! The applications behind Palisade.
