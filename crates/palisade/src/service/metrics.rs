//! /metrics on a listener of its own (OBS-1).
