//! Ways around a route: each is told, and what is no way around is not.

use palisade_policy::{Code, Severity};

use crate::check;

/// What is told of these routes, each `path | terms`.
fn told(routes: &[&str]) -> Vec<(Code, String)> {
    let mut text = String::from(
        "[upstream.app]\nurl = \"http://127.0.0.1:5000\"\n[upstream.same]\nurl = \"http://127.0.0.1:5000/base\"\n\
         [upstream.other]\nurl = \"http://127.0.0.1:5001\"\n",
    );
    for route in routes {
        let (path, terms) = route.split_once(" | ").unwrap();
        let to = if terms.contains("to =") { "" } else { "to = \"upstream:app\"\n" };
        text.push_str(&format!("[[route]]\npath = \"{path}\"\n{to}{}\n", terms.replace("; ", "\n")));
    }
    let checked = check(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let ours = |code| matches!(code, Code::RouteAlias | Code::RouteSpelling);
    checked.warnings.iter().filter(|one| ours(one.code)).map(|one| (one.code, one.message.clone())).collect()
}

fn codes(routes: &[&str]) -> Vec<Code> {
    told(routes).into_iter().map(|(code, _)| code).collect()
}

// proves: ACC-1
#[test]
fn a_format_suffix_leads_past_a_stricter_route() {
    let wide = "/{*rest} | allow = \"signed-in\"";
    for guarded in ["/admin", "/admin/{*rest}", "/a/{id}/edit", "/Admin"] {
        let found = told(&[wide, &format!("{guarded} | allow = \"admin\"")]);
        assert_eq!(found.len(), 1, "{guarded}: {found:?}");
        assert_eq!(found[0].0, Code::RouteSpelling, "{guarded}");
        assert!(found[0].1.contains(".json` may be another name"), "{found:?}");
    }
    for shut in ["\"nobody\"", "{ read = \"signed-in\", write = \"admin\" }", "[\"manager\"]"] {
        assert_eq!(codes(&[wide, &format!("/admin | allow = {shut}")]), [Code::RouteSpelling], "{shut}");
    }
    // One warning for the open route, however many it leads past.
    let found = told(&[wide, "/a | allow = \"admin\"", "/b | allow = \"admin\""]);
    assert_eq!(found.len(), 1, "{found:?}");
}

// proves: ACC-1
#[test]
fn where_the_suffix_leads_nowhere_else_nothing_is_told() {
    let wide = "/{*rest} | allow = \"signed-in\"";
    for sound in [
        &[wide, "/admin | allow = \"admin\"", "/admin.{format} | allow = \"admin\""][..],
        &[wide, "/admin | allow = \"admin\"", "/admin.{format} | allow = \"nobody\""],
        &[wide, "/login | allow = \"public\""],
        &[wide, "/a/{id} | allow = \"admin\""],
        &[wide, "/report.pdf | allow = \"admin\""],
        &[wide, "/admin | allow = \"admin\"; to = \"upstream:other\""],
        &["/{*rest} | allow = \"admin\"", "/admin | allow = \"admin\""],
        &["/{*rest} | allow = \"admin\"", "/users | allow = \"user\""],
        &[
            "/{*rest} | allow = \"public\"; methods = [\"GET\"]",
            "/admin | allow = { read = \"public\", write = \"admin\" }",
        ],
        &["/admin | allow = \"admin\"", "/users | allow = \"user\""],
    ] {
        assert_eq!(told(sound), [], "{sound:?}");
    }
}

// proves: ACC-1
#[test]
fn a_slash_of_its_own_leads_past_a_stricter_route() {
    assert_eq!(
        codes(&["/admin | allow = \"admin\"", "/admin/ | allow = \"public\"; methods = [\"GET\"]"]),
        [Code::RouteSpelling]
    );
    assert_eq!(codes(&["/admin | allow = \"admin\"", "/admin/ | allow = \"admin\""]), []);
}

// proves: ACC-1
#[test]
fn two_routes_to_one_page_agree_on_who_may_see_it() {
    let admin = "/admin/{*rest} | allow = \"admin\"";
    for other in [
        "/public/{*rest} | allow = \"signed-in\"; strip = \"/public\"",
        "/x/{*rest} | allow = \"user\"; strip = \"/x\"; prefix = \"/admin\"",
        "/v1/{*rest} | allow = \"public\"; methods = [\"GET\"]; strip = \"/v1\"",
        "/{a}/b/{*rest} | allow = \"user\"; strip = \"/1/b\"",
    ] {
        assert_eq!(codes(&[admin, other]), [Code::RouteAlias], "{other}");
    }
    for other in [
        "/public/{*rest} | allow = \"admin\"; strip = \"/public\"",
        "/public/{*rest} | allow = \"public\"; methods = [\"GET\"]; strip = \"/public\"; prefix = \"/public\"",
        "/public/{*rest} | allow = \"user\"; strip = \"/public\"; to = \"upstream:other\"",
        "/public/{*rest} | allow = \"user\"; strip = \"/public\"; to = \"upstream:same\"",
        "/public/{*rest} | allow = \"user\"",
    ] {
        assert_eq!(codes(&[admin, other]), [], "{other}");
    }
    // Two names for one application.
    let based = "/base/admin | allow = \"admin\"";
    assert_eq!(codes(&[based, "/admin | allow = \"user\"; to = \"upstream:same\""]), [Code::RouteAlias]);
}

#[test]
fn both_lines_are_named_and_what_to_write() {
    let text = "[upstream.app]\nurl = \"http://127.0.0.1:5000\"\n\
        [[route]]\npath = \"/admin\"\nto = \"upstream:app\"\nallow = \"admin\"\n\
        [[route]]\npath = \"/public/{*rest}\"\nto = \"upstream:app\"\nallow = \"user\"\nstrip = \"/public\"\n";
    let warnings = check(text).unwrap().warnings;
    let one = warnings.iter().find(|one| one.code == Code::RouteAlias).unwrap();
    assert_eq!(one.severity, Severity::Warning, "in production it is an error: see tests/bad");
    assert!(one.message.contains("`/public/admin`") && one.message.contains("`/admin` (line 3)"), "{one:?}");
    assert!(one.help.contains("prefix"), "{one:?}");
    assert!(warnings.render(false).contains("palisade.toml:8:"), "{}", warnings.render(false));
}
