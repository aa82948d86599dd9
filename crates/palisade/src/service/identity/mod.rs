//! /auth and /account: pages and their JSON forms.
