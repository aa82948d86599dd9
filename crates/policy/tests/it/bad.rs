use std::path::Path;

use palisade_model::Environment;
use palisade_policy::{Policy, Severity};

/// The variables that a policy asks for in its comments: `# env: NAME=value`.
fn environment_of(text: &str) -> Environment {
    text.lines().filter_map(|line| line.strip_prefix("# env: ")?.split_once('=')).collect()
}

// proves: POL-2
#[test]
fn each_broken_policy_is_told_what_to_write_instead() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 20);
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let errors = Policy::from_toml(&name, &text, &environment_of(&text)).expect_err(&name);
        assert!(errors.has_errors(), "{name}");
        for one in &errors {
            assert!(!one.help.is_empty(), "{name}: no remedy for {}", one.message);
            assert!(one.severity == Severity::Error || !one.message.is_empty());
        }
        let rendered = errors.render(false);
        assert!(!rendered.contains("hunter2"), "{name} shows a secret:\n{rendered}");
        insta::assert_snapshot!(name.trim_end_matches(".toml"), rendered);
    }
}
