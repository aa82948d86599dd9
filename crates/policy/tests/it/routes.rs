use http::Method;
use palisade_policy::Policy;
use palisade_policy::section::authorize::{RoleSet, Who};
use palisade_policy::section::route::{Found, Service, Target};
use proptest::prelude::*;

use crate::policy;

const ROUTES: &str = r#"
[upstream.app]
url = "http://127.0.0.1:5000"

[[route]]
path = "/admin/{*rest}"
to = "upstream:app"
allow = "admin"

[[route]]
path = "/reports"
to = "upstream:app"
methods = ["GET"]
allow = { read = "user" }

[[route]]
path = "/{*rest}"
to = "upstream:app"
allow = "signed-in"
"#;

fn path_of(policy: &Policy, path: &str, method: &Method) -> Option<String> {
    match policy.routes.find(path, method) {
        Found::Row(row) => Some(row.path.clone()),
        _ => None,
    }
}

// proves: ACC-1
#[test]
fn a_row_meets_each_spelling_of_its_path_and_no_spelling_escapes_it() {
    let policy = policy(ROUTES);
    let get = |path: &str| path_of(&policy, path, &Method::GET);
    for path in ["/admin", "/admin/", "/admin/users", "/admin/a/b/"] {
        assert_eq!(get(path).as_deref(), Some("/admin/{*rest}"), "{path}");
    }
    for path in ["/reports", "/reports/"] {
        assert_eq!(get(path).as_deref(), Some("/reports"), "{path}");
    }
    for path in ["/", "/x", "/Upper/Case", "/administration", "/reports/2026"] {
        assert_eq!(get(path).as_deref(), Some("/{*rest}"), "{path}");
    }
    // An application that does not mind the case would answer these as /admin: nobody gets there.
    for path in ["/ADMIN", "/Admin/users", "/admiN/", "/REPORTS"] {
        assert_eq!(get(path), None, "{path}");
    }
}

// proves: CSRF-6
#[test]
fn another_method_is_405_with_what_it_takes() {
    let policy = policy(ROUTES);
    let Found::OtherMethods(methods) = policy.routes.find("/reports/", &Method::POST) else { panic!() };
    assert_eq!(methods.allow(), "GET, HEAD");
    assert_eq!(path_of(&policy, "/reports", &Method::HEAD).as_deref(), Some("/reports"));
}

// proves: ACC-1
#[test]
fn what_allow_leaves_out_is_for_nobody() {
    let policy = policy(ROUTES);
    let row = policy.routes.rows.iter().find(|row| row.path == "/reports").unwrap();
    assert_eq!(row.access.read, Who::Roles(RoleSet::of(policy.roles.index("user").unwrap())));
    assert_eq!(row.access.write, Who::Nobody);
}

#[test]
fn own_rows_stand_before_every_route_of_the_policy() {
    let policy = policy(ROUTES);
    for (path, method) in
        [("/auth/login", Method::POST), ("/auth/login/", Method::GET), ("/account", Method::GET)]
    {
        let Found::Row(row) = policy.routes.find(path, &method) else { panic!("{path}") };
        assert_eq!((row.target.clone(), row.line), (Target::Service(Service::Identity), 0), "{path}");
    }
    let Found::Row(row) = policy.routes.find("/auth/login", &Method::POST) else { panic!() };
    let names: Vec<&str> = row.limits.iter().map(|i| policy.shield.limits[*i].name.as_str()).collect();
    assert_eq!(names, ["login", "default"]);
    assert!(matches!(policy.routes.find("/auth/link/Ab3", &Method::GET), Found::Row(row) if row.line == 0));
    assert!(policy.routes.rows.iter().enumerate().all(|(n, row)| row.index == n));
}

#[test]
fn without_routes_nothing_but_the_own_is_there() {
    assert!(matches!(policy("").routes.find("/", &Method::GET), Found::Nothing));
}

/// The same path as somebody would write it who looks for a way round: other case, a slash more or less.
fn spelled(path: &str, upper: u64, slash: bool) -> String {
    let mut spelling: String = path
        .chars()
        .enumerate()
        .map(|(n, c)| if upper >> (n % 64) & 1 == 1 { c.to_ascii_uppercase() } else { c })
        .collect();
    if slash && !spelling.ends_with('/') {
        spelling.push('/');
    }
    spelling
}

proptest! {
    // proves: ACC-1
    #[test]
    fn no_spelling_of_a_path_reaches_the_row_behind_it(
        tail in "(/[a-z0-9._~-]{1,8}){0,3}",
        front in prop::sample::select(vec!["/admin", "/reports"]),
        upper in any::<u64>(),
        slash in any::<bool>(),
    ) {
        let policy = policy(ROUTES);
        let path = format!("{front}{}", if front == "/admin" { tail.as_str() } else { "" });
        let meant = path_of(&policy, &path, &Method::GET);
        let met = path_of(&policy, &spelled(&path, upper, slash), &Method::GET);
        prop_assert!(met.is_none() || met == meant, "{path} met {met:?}");
    }
}
