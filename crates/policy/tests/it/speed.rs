//! Checking a large policy takes no longer than a start may take.

use std::time::{Duration, Instant};

use http::Method;
use palisade_policy::section::route::Found;

use crate::policy;

#[test]
fn a_thousand_routes_are_read_in_a_blink_and_found_as_fast_as_one() {
    let mut text = String::from("[upstream.app]\nurl = \"http://127.0.0.1:5000\"\n");
    for n in 0..1000 {
        text.push_str(&format!(
            "[[route]]\npath = \"/api/v{n}/{{id}}/{{*rest}}\"\nto = \"upstream:app\"\nallow = \"user\"\n"
        ));
    }
    let start = Instant::now();
    let policy = policy(&text);
    // Unoptimised and beside other tests; optimised it is a few milliseconds.
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(policy.routes.rows.iter().filter(|row| row.line > 0).count(), 1000);
    assert!(
        matches!(policy.routes.find("/api/v999/7/x", &Method::GET), Found::Row(row) if row.path == "/api/v999/{id}/{*rest}")
    );
    let row = policy.routes.rows.last().unwrap();
    assert_eq!(row.line, 2 + 999 * 4 + 1, "the line of its [[route]]");
    println!("{:?}", start.elapsed());
}
