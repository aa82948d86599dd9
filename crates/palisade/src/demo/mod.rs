//! `palisade demo`: an ordinary small application without any security, bare and behind Palisade.
