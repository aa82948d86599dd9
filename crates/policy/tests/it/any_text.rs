//! Whatever the file holds, checking ends with an answer and not with a panic.

use palisade_model::Environment;
use palisade_policy::section::scopes;
use palisade_policy::{Policy, reference};
use proptest::prelude::*;

fn survive(text: &str) {
    if let Err(errors) = Policy::from_toml("palisade.toml", text, &Environment::default()) {
        assert!(!errors.is_empty());
        let _ = (errors.render(true), errors.to_json());
    }
}

/// A value of any type, well-formed or nearly.
fn value() -> impl Strategy<Value = String> {
    let odd = "[^\"\\\\\\p{Cc}]{0,12}".prop_map(|text| format!("\"{text}\""));
    let near = prop::sample::select(vec![
        "\"/{*rest}\"",
        "\"/a{b}c{d}\"",
        "\"/{{x\"",
        "\"/é\"",
        "\"*\"",
        "\"*.a\"",
        "\"env:X\"",
        "\"file:/\"",
        "\"10MiB\"",
        "\"99999999999999999999s\"",
        "\"0/0\"",
        "\"::/0\"",
        "\"public\"",
        "\"upstream:app\"",
        "\"https://[::1]:99999\"",
        "\"a:b@c\"",
        "2026-12-31",
        "1979-05-27T07:32:00Z",
        "{ read = \"user\", write = [] }",
        "{ includes = [\"x\"] }",
        "[[], [1]]",
        "nan",
        "0xffffffffffffffffffff",
        "-0",
        "{}",
        "[]",
    ])
    .prop_map(str::to_owned);
    prop_oneof![
        odd,
        near,
        any::<i64>().prop_map(|n| n.to_string()),
        any::<bool>().prop_map(|b| b.to_string())
    ]
}

/// A policy with real tables and keys, and whatever for values.
fn policy() -> impl Strategy<Value = String> {
    let keys: Vec<(String, &str)> = scopes()
        .flat_map(|scope| {
            scope.settings.iter().map(|setting| (scope.header().replace("NAME", "app"), setting.key()))
        })
        .collect();
    prop::collection::vec((prop::sample::select(keys), value()), 0..8).prop_map(|lines| {
        lines
            .into_iter()
            .map(|((header, key), value)| format!("{header}\n{} = {value}\n", key.replace("NAME", "app")))
            .collect()
    })
}

/// Deep nesting, by each way that TOML has for it.
#[test]
fn depth_is_answered() {
    let deep = 20_000;
    for text in [
        format!("{}b = 1", "a.".repeat(deep)),
        format!("[{}b]", "a.".repeat(deep)),
        format!("a = {}{}", "[".repeat(deep), "]".repeat(deep)),
        format!("a = {}1{}", "{a=".repeat(deep), "}".repeat(deep)),
        format!("edge = {{{}b = 1}}", "a.".repeat(deep)),
    ] {
        survive(&text);
    }
}

proptest! {
    #[test]
    fn arbitrary_text_is_answered(text in "\\PC{0,200}") {
        survive(&text);
    }

    #[test]
    fn arbitrary_lines_are_answered(text in "([a-z_.\\[\\]={}\"' \n0-9é\t\r]{0,20}\n){0,12}") {
        survive(&text);
    }

    #[test]
    fn real_keys_with_arbitrary_values_are_answered(text in policy()) {
        survive(&text);
    }

    /// The example with a piece cut out, which leaves many policies that are nearly right.
    #[test]
    fn a_broken_example_is_answered(from in 0_usize..9000, length in 0_usize..200) {
        let example = reference::example_toml().replace("\n#", "\n");
        let bytes = example.as_bytes();
        let from = from.min(bytes.len());
        let to = (from + length).min(bytes.len());
        let text = [&bytes[..from], &bytes[to..]].concat();
        survive(&String::from_utf8_lossy(&text));
    }
}
