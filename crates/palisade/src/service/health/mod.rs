//! /healthz and /readyz (OBS-2).
