//! The command line, as real processes.

mod hostile;
mod import;
pub mod keys;
mod live;
mod tokens;

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const POLICY: &str = r#"[app]
name = "Orders"

[authorize.roles]
admin = { includes = ["manager"] }
manager = { includes = ["user"] }
user = {}

[[route]]
path = "/orders/{*rest}"
to = "upstream:app"
allow = { read = "user", write = "manager" }

[upstream.app]
url = "http://127.0.0.1:5000"
"#;

/// A folder with that policy.
fn folder(policy: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("palisade.toml"), policy).unwrap();
    folder
}

/// The program in that folder, with nothing of this process's environment.
fn palisade(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
    command.env_clear().current_dir(folder).args(arguments);
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    palisade(folder, arguments).output().unwrap()
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Runs it, requires that exit code and gives standard output.
fn expect(code: i32, folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {} {}", out(&output), err(&output));
    assert!(!out(&output).contains('\x1b') && !err(&output).contains('\x1b'), "colours without a terminal");
    out(&output).to_owned()
}

#[test]
fn usage_is_explained_and_ends_with_two() {
    let folder = folder(POLICY);
    for arguments in
        [&[][..], &["frob"], &["user"], &["user", "add"], &["explain", "GET"], &["serve", "--port", "1"]]
    {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(err(&output).contains("Usage:"), "{}", err(&output));
        assert_eq!(out(&output), "");
    }
    assert!(expect(0, folder.path(), &["--help"]).contains("Exit codes: 0 all is well"));
}

// proves: POL-6
#[test]
fn a_shell_learns_every_command() {
    let folder = folder(POLICY);
    for shell in ["bash", "zsh", "fish"] {
        let script = expect(0, folder.path(), &["completions", shell]);
        for command in ["serve", "check", "explain", "demo", "set-roles", "verify"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    let bash = expect(0, folder.path(), &["completions", "bash"]);
    std::fs::write(folder.path().join("script"), bash).unwrap();
    let output = Command::new("bash").arg("-n").arg(folder.path().join("script")).output().unwrap();
    assert!(output.status.success(), "{}", err(&output));
}

// proves: POL-2
#[test]
fn check_ends_with_what_it_found() {
    let good = folder(POLICY);
    assert_eq!(expect(0, good.path(), &["check"]), "The policy can be put into force; nothing was found.\n");

    let bad = folder(&POLICY.replace("allow = {", "alow = {"));
    let text = expect(2, bad.path(), &["check"]);
    assert!(text.contains("palisade.toml:12") && text.contains("`allow`"), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&expect(2, bad.path(), &["check", "--format", "json"])).unwrap();
    assert_eq!((&json["usable"], &json["findings"][0]["line"]), (&false.into(), &12.into()), "{json}");

    // As people write it.
    std::fs::copy(bad.path().join("palisade.toml"), good.path().join("other.toml")).unwrap();
    assert!(expect(2, good.path(), &["check", "other.toml"]).contains("other.toml:12"));
    let twice = run(good.path(), &["check", "other.toml", "--policy", "palisade.toml"]);
    assert!(twice.status.code() == Some(2) && err(&twice).contains("--policy"), "{}", err(&twice));

    let missing = run(good.path(), &["check", "--policy", "nowhere.toml"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(out(&missing).contains("nowhere.toml"), "{}", out(&missing));

    let empty = tempfile::tempdir().unwrap();
    assert!(expect(0, empty.path(), &["check"]).contains("There is no palisade.toml here"));
}

#[cfg(unix)]
// proves: AUD-6, POL-2
#[test]
fn check_finds_folders_of_secrets_that_everybody_can_get_at() {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    let place = folder(POLICY);
    let data = place.path().join("palisade-data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
    let text = expect(1, place.path(), &["check"]);
    assert!(text.contains("the folder palisade-data,") && text.contains("1 thing to look at"), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&expect(1, place.path(), &["check", "--format", "json"])).unwrap();
    assert_eq!(json["open_folders"], serde_json::json!(["palisade-data"]), "{json}");
    assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o755, "its owner's matter");
    fs::set_permissions(&data, Permissions::from_mode(0o750)).unwrap();
    expect(0, place.path(), &["check"]);
}

// proves: POL-6
#[test]
fn explain_says_which_stages_a_request_meets() {
    let folder = folder(POLICY);
    let text = expect(1, folder.path(), &["explain", "post", "/orders/7?x=1", "--roles", "user"]);
    assert_eq!(
        text,
        "POST /orders/7 as somebody, with the roles: user

  edge       row `/orders/{*rest}` (line 9), which takes GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS
  shield     counted by `default` (600/minute by address); a body of at most 10MiB; pages of this site alone may ask
  identify   somebody, by a session cookie or an access token
  csrf       with a cookie, the session's token and an Origin of this site; with an access token, nothing
  authorize  writing is for manager, and somebody has no such role

It is refused: 403 authorize.role.
",
    );
    let text = expect(0, folder.path(), &["explain", "POST", "/orders/7", "--roles", "admin"]);
    assert!(text.contains("has it by the role admin") && text.contains("It passes, as long as"), "{text}");
    let json = expect(1, folder.path(), &["explain", "GET", "/orders/7", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["verdict"]["refused"]["status"], &json["line"]), (&401.into(), &9.into()), "{json}");
    for (arguments, code) in [
        (["GET", "/orders/7"], "authorize.sign_in"),
        (["GET", "/nowhere"], "edge.route"),
        (["DELETE", "/auth/login"], "405 edge.method."),
        (["BREW", "/orders/7"], "501 edge.method_unsupported."),
        (["GET", "/orders/../admin"], "edge.path"),
        (["GET", "/orders/%2e%2e/admin"], "edge.path"),
    ] {
        let text = expect(1, folder.path(), &["explain", arguments[0], arguments[1]]);
        assert!(text.contains(code), "{text}");
    }
    let output = run(folder.path(), &["explain", "GET", "/orders/7", "--roles", "boss"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("it has: admin, manager, user"), "{}", err(&output));
}

// proves: POL-1, AUD-5
#[test]
fn dotenv_is_for_development_alone_and_never_overrides() {
    let folder = folder(POLICY);
    std::fs::write(folder.path().join(".env"), "BASE_URL='http://127.0.0.1:9999'\n").unwrap();
    assert!(expect(0, folder.path(), &["check"]).contains("BASE_URL"));

    // In production it is not even read, whoever says that it is production.
    std::fs::write(folder.path().join(".env"), "ALLOWED_HOSTS=from-dotenv.example\nSECRET_KEY=\"hunter2")
        .unwrap();
    let output = run(folder.path(), &["check"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains(".env, line 2") && !err(&output).contains("hunter2"), "{}", err(&output));
    let output = palisade(folder.path(), &["check"]).env("ENVIRONMENT", "production").output().unwrap();
    assert!(!err(&output).contains(".env") && !out(&output).contains("from-dotenv"), "{}", out(&output));

    std::fs::write(folder.path().join(".env"), "ENVIRONMENT=production\n").unwrap();
    let output = run(folder.path(), &["check"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("set it in the real environment"), "{}", err(&output));

    // Nor when it is the policy that says so.
    std::fs::write(folder.path().join(".env"), "BASE_URL=https://from-dotenv.example\n").unwrap();
    let production = "name = \"Orders\"\nenvironment = \"production\"\nbase_url = \"https://orders.example\"";
    std::fs::write(folder.path().join("palisade.toml"), POLICY.replace("name = \"Orders\"", production))
        .unwrap();
    let output = run(folder.path(), &["check"]);
    assert!(!out(&output).contains("BASE_URL") && !out(&output).contains("from-dotenv"), "{}", out(&output));

    // What is left over from development makes nothing else of it, neither by name nor by file.
    for name in ["ENVIRONMENT", "PALISADE_APP__ENVIRONMENT"] {
        for value in ["development", "testing"] {
            std::fs::write(folder.path().join(".env"), format!("{name}={value}\n")).unwrap();
            let output = run(folder.path(), &["check"]);
            let text = [out(&output), err(&output)].concat();
            assert!(!text.contains(name) && text.contains("SECRET_KEY"), "{text}");
        }
    }
    std::fs::write(folder.path().join(".env"), "PALISADE_APP__ENVIRONMENT=production\n").unwrap();
    let output = run(folder.path(), &["check"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("set it in the real environment"), "{}", err(&output));
}

// proves: ID-1, ID-5, AUD-1, AUD-2
#[test]
fn users_are_looked_after_and_every_change_is_in_the_trail() {
    let folder = folder(POLICY);
    let at = folder.path();
    let output = run(at, &["user", "list"]);
    assert_eq!(output.status.code(), Some(3), "without a store nothing is known: {}", out(&output));
    assert!(!at.join("palisade-data").exists(), "asking made a store");

    let text = expect(0, at, &["user", "add", "eva", "--email", "eva@example.com", "--roles", "manager"]);
    let link =
        text.lines().find(|line| line.contains("/auth/link/")).expect("a link, for want of a terminal");
    let token = link.rsplit_once('/').unwrap().1.to_owned();
    assert_eq!(token.len(), 43);
    expect(0, at, &["user", "add", "otto", "--tenant", "acme"]);

    assert_eq!(
        expect(0, at, &["user", "list"]),
        "NAME  E-MAIL           ROLES    STATE\n\
         eva   eva@example.com  manager  no password yet\n\
         otto  -                user     no password yet\n"
    );
    let show = |user: &str| -> serde_json::Value {
        serde_json::from_str(&expect(0, at, &["user", "show", user, "--format", "json"])).unwrap()
    };
    assert_eq!((&show("otto")["tenant"], &show("EVA@example.com")["name"]), (&"acme".into(), &"eva".into()));
    assert!(show("eva").get("password").is_none());

    expect(0, at, &["user", "set-roles", "eva", "user,admin"]);
    assert_eq!(show("eva")["roles"], serde_json::json!(["user", "admin"]));
    assert!(expect(0, at, &["explain", "POST", "/orders/7", "--as", "eva"]).contains("It passes"));
    assert_eq!(expect(0, at, &["user", "set-tenant", "eva", "acme"]), "eva is in the tenant acme now.\n");
    assert_eq!(show("eva")["tenant"], "acme");
    expect(0, at, &["user", "set-tenant", "eva", "--none"]);
    let told = expect(0, at, &["user", "email", "eva", "eva.new@example.com"]);
    assert_eq!(told, "eva has the address eva.new@example.com now.\n");
    assert!(expect(0, at, &["user", "show", "eva.new@example.com"]).contains("eva"));
    expect(2, at, &["user", "email", "eva", "no address"]);
    expect(2, at, &["user", "email", "nobody", "eva@example.com"]);
    assert_eq!(show("eva")["tenant"], serde_json::Value::Null);
    expect(0, at, &["user", "disable", "eva"]);
    assert_eq!(show("eva")["enabled"], false);
    assert!(expect(1, at, &["explain", "POST", "/orders/7", "--as", "eva"]).contains("disabled"));
    let output = run(at, &["user", "set-roles", "eva"]);
    assert_eq!(
        (output.status.code(), &show("eva")["roles"]),
        (Some(2), &serde_json::json!(["user", "admin"]))
    );
    expect(0, at, &["user", "enable", "eva"]);
    let again = expect(0, at, &["user", "link", "eva"]);
    assert!(!again.contains(&token), "each link is a new one");

    for (arguments, words) in [
        (&["user", "add", "eva"][..], "name:"),
        (&["user", "add", "x\ny"], "name:"),
        (&["user", "add", "ida", "--email", "nowhere"], "email:"),
        (&["user", "add", "ida", "--role", "boss"], "it has: admin, manager, user"),
        (&["user", "add", "ida", "--tenant", "a b"], "tenant"),
        (&["user", "add", "ida", "--password", "hunter2"], "--password"),
        (&["user", "set-tenant", "eva", "ac me"], "letters, digits"),
        (&["user", "set-tenant", "eva"], "<TENANT>"),
        (&["user", "set-roles", "eva", "boss"], "it has: admin, manager, user"),
        (&["user", "set-roles", "eva"], "<ROLE>"),
        (&["user", "set-roles", "eva", "user", "--none"], "--none"),
        (&["user", "disable", "nobody"], "'palisade user list'"),
        (&["user", "link", "nobody"], "no user"),
    ] {
        let output = run(at, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?} {}", out(&output));
        assert!(err(&output).contains(words), "{arguments:?}: {}", err(&output));
        assert!(!out(&output).contains("Added"), "{arguments:?}");
    }
    assert_eq!(expect(0, at, &["user", "list"]).lines().count(), 3, "a refused user was made");

    let report: serde_json::Value =
        serde_json::from_str(&expect(0, at, &["audit", "verify", "--format", "json"])).unwrap();
    assert_eq!(report["whole"], true);
    // Opened, 2 made with a link each, roles, sessions ended by that, disabled, enabled, another link.
    assert!(report["rows"].as_u64().unwrap() >= 9, "{report}");
    for secret in [token.as_bytes(), b"hunter2"] {
        for entry in std::fs::read_dir(at.join("palisade-data")).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "the store holds a secret");
        }
    }
}

// proves: AUD-1
#[test]
fn the_trail_is_read_by_whoever_has_the_host() {
    let folder = folder(POLICY);
    let at = folder.path();
    assert_eq!(run(at, &["audit", "list"]).status.code(), Some(3), "without a store nothing is known");
    assert!(!at.join("palisade-data").exists(), "reading made a store");
    expect(0, at, &["user", "add", "eva", "--email", "eva@example.com"]);
    expect(0, at, &["user", "add", "otto"]);
    expect(0, at, &["user", "disable", "eva"]);

    let all = expect(0, at, &["audit", "list"]);
    assert!(all.starts_with("NO  WHEN") && all.contains("user.created"), "{all}");
    let last = all.lines().last().unwrap();
    assert!(last.contains("user.disabled") && last.contains("user eva"), "{all}");
    let list = |arguments: &[&str]| -> serde_json::Value {
        let whole = [&["audit", "list", "--format", "json"], arguments].concat();
        serde_json::from_str(&expect(0, at, &whole)).unwrap()
    };
    let about = list(&["--about", "eva", "--action", "user.disabled"]);
    assert_eq!((about.as_array().unwrap().len(), &about[0]["action"]), (1, &"user.disabled".into()));
    assert!(!list(&["--about", "otto"]).to_string().contains("disabled"), "another's entry");
    assert_eq!(list(&["--limit", "1"])[0]["action"], "user.disabled", "the latest are kept");
    assert!(!list(&["--user", "otto"]).to_string().contains("eva"), "what another did");
    assert_ne!(list(&["--since", "1h"]), serde_json::json!([]));
    for (wrong, words) in [
        (["--action", "user.deleted"], "user.disabled"),
        (["--action", "nothing"], "session.signed_in"),
        (["--user", "nobody"], "'palisade user list'"),
        (["--limit", "0"], "1..=1000"),
        (["--since", "yesterday"], "15m"),
    ] {
        let output = run(at, &[&["audit", "list"][..], &wrong[..]].concat());
        assert_eq!((output.status.code(), out(&output)), (Some(2), ""), "{wrong:?}");
        assert!(err(&output).contains(words), "{wrong:?}: {}", err(&output));
    }
}

// proves: POL-1, ID-9
#[test]
fn what_keeps_the_server_from_starting_says_what_to_set() {
    let folder = folder(&POLICY.replace(
        "name = \"Orders\"",
        "name = \"Orders\"\nbase_url = \"http://127.0.0.1:1\"\n[edge]\nlisten = \"127.0.0.1:0\"",
    ));
    let first = "the-first-key-that-is-long-enough-for-it";
    let made = palisade(folder.path(), &["user", "add", "eva"]).env("SECRET_KEY", first).output().unwrap();
    assert_eq!(made.status.code(), Some(0), "{}", err(&made));
    // The store's keys are sealed under the first key: another one cannot open them.
    for (secret, words) in [("kurz-1", "32 bytes"), ("another-key-that-is-long-enough-for-it", "SECRET_KEY")]
    {
        for arguments in [&["serve"][..], &["user", "link", "eva"]] {
            let output = palisade(folder.path(), arguments).env("SECRET_KEY", secret).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{arguments:?} {}", err(&output));
            assert!(err(&output).contains(words) && !err(&output).contains(secret), "{}", err(&output));
        }
    }
}

// proves: POL-1, ID-11
#[test]
fn a_store_that_was_begun_in_development_goes_on_under_a_secret_key_of_ones_own() {
    let folder = folder(POLICY);
    let at = folder.path();
    expect(0, at, &["user", "add", "eva"]);
    let own = "a-key-of-ones-own-that-is-long-enough-for-it";
    let link = |policy: &str, own: Option<&str>| {
        std::fs::write(at.join("palisade.toml"), policy).unwrap();
        let mut command = palisade(at, &["user", "link", "eva"]);
        command.envs(own.map(|own| ("SECRET_KEY", own))).output().unwrap()
    };
    let refused = link(POLICY, Some(own));
    assert_eq!(refused.status.code(), Some(2), "{}", err(&refused));
    // What it says to write is what helps.
    let said = err(&refused);
    let start = said.find("previous_secret_keys = ").unwrap();
    let setting = &said[start..=start + said[start..].find(']').unwrap()];
    let file = setting.split('"').nth(1).unwrap();
    let done = link(&format!("{POLICY}\n[identify]\nsecret_key = \"{file}\"\n"), None);
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
    let done = link(&format!("{POLICY}\n[identify]\n{setting}\n"), Some(own));
    assert_eq!(done.status.code(), Some(0), "{setting} {}", err(&done));
}

// proves: AUD-2
#[test]
fn a_trail_that_was_changed_is_a_finding() {
    let folder = folder(POLICY);
    let at = folder.path();
    expect(0, at, &["user", "add", "eva"]);
    assert!(expect(0, at, &["audit", "verify"]).contains("The audit chain is whole"));
    let file = at.join("palisade-data/palisade.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let word = b"user.created";
    let places: Vec<usize> =
        (0..bytes.len() - word.len()).filter(|at| &bytes[*at..*at + word.len()] == word).collect();
    assert!(!places.is_empty());
    for place in places {
        bytes[place..place + word.len()].copy_from_slice(b"user.enabled");
    }
    std::fs::write(&file, bytes).unwrap();
    let text = expect(1, at, &["audit", "verify"]);
    assert!(text.contains("broken") && text.contains("row"), "{text}");
}

// proves: ID-1, AUD-5
#[test]
fn a_password_is_asked_for_on_a_terminal_and_never_shown() {
    let folder = folder(POLICY);
    let at = folder.path();
    let on_terminal = |typed: &str| {
        let program = env!("CARGO_BIN_EXE_palisade");
        let mut child = Command::new("script")
            .args(["-qec", &format!("{program} user add eva"), "/dev/null"])
            .current_dir(at)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        for line in typed.lines() {
            // Typed when asked, as people do: what comes before the echo is off would be shown.
            std::thread::sleep(std::time::Duration::from_millis(700));
            std::io::Write::write_all(&mut input, format!("{line}\n").as_bytes()).unwrap();
        }
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, text) = on_terminal("harbour-Crane-77&x\nharbour-Crane-78&x");
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("differ") && !text.contains("Crane"), "{text}");
    let (code, text) = on_terminal("short\nshort");
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("password:") && !text.contains("short\r"), "{text}");
    assert_eq!(run(at, &["user", "show", "eva"]).status.code(), Some(2), "a refused user was made");

    let (code, text) = on_terminal("harbour-Crane-77&x\nharbour-Crane-77&x");
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("Added eva.") && !text.contains("Crane") && !text.contains("/auth/link/"),
        "{text}"
    );
    assert!(expect(0, at, &["user", "show", "eva"]).contains("enabled"));
}

// proves: ID-2, AUD-5
#[test]
fn a_script_hands_a_password_in_on_standard_input() {
    let folder = folder(POLICY);
    let at = folder.path();
    let piped = |name: &str, typed: &str| {
        let mut child = palisade(at, &["user", "add", name, "--password-stdin"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), typed.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    for (typed, said) in [("", "standard input"), ("short\n", "password")] {
        let output = piped("eva", typed);
        assert_eq!(output.status.code(), Some(2), "{typed:?}: {}", err(&output));
        assert!(err(&output).contains(said), "{}", err(&output));
        assert_eq!(run(at, &["user", "show", "eva"]).status.code(), Some(2), "a refused user was made");
    }
    let output = piped("eva", "harbour-Crane-77&x\n");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let said = format!("{}{}", out(&output), err(&output));
    assert!(
        said.contains("Added eva.") && !said.contains("Crane") && !said.contains("/auth/link/"),
        "{said}"
    );
}

// proves: ID-13, POL-1
#[test]
fn without_a_policy_or_a_store_nothing_is_made_that_lets_nobody_in() {
    let empty = tempfile::tempdir().unwrap();
    for arguments in [
        &["breakglass", "issue", "--reason", "test"][..],
        &["user", "add", "ann"],
        &["token", "list"],
        &["unlock", "--all"],
    ] {
        let output = run(empty.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?} {}", err(&output));
        assert!(err(&output).contains("no palisade.toml here") && err(&output).contains("--policy FILE"));
        assert_eq!(out(&output), "", "no credential");
    }
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "nothing was made");
    // With a policy, breakglass alone needs a store that is there.
    let folder = folder(POLICY);
    let output = run(folder.path(), &["breakglass", "issue", "--reason", "test"]);
    assert_eq!((output.status.code(), out(&output)), (Some(3), ""), "{}", err(&output));
    assert!(!folder.path().join("palisade-data/palisade.db").exists());
}

// proves: POL-1, ID-13
#[test]
fn commands_do_without_what_only_the_service_needs() {
    let policy = format!(
        "{POLICY}\n[mail]\nserver = \"smtp://127.0.0.1:2525\"\nusername = \"mtc\"\npassword = \"env:SMTP_PASSWORD\"\n\
         [identify]\nsecret_key = \"env:SECRET_KEY\"\n[identify.admin_tokens]\nlegacy = \"env:ADMIN_TOKEN\"\n\
         [identify.oidc.company]\nissuer = \"https://login.example.com\"\nclient_id = \"mtc\"\nclient_secret = \"env:OIDC_SECRET\"\n"
    );
    let folder = folder(&policy);
    let keyed = |arguments: &[&str]| {
        palisade(folder.path(), arguments)
            .env("SECRET_KEY", "a-key-of-ones-own-that-is-long-enough")
            .output()
            .unwrap()
    };
    for arguments in [
        &["user", "add", "carl"][..],
        &["user", "list"],
        &["breakglass", "issue", "--reason", "test"],
        &["unlock", "--user", "carl"],
        &["audit", "list"],
        &["revoke", "--user", "carl"],
    ] {
        let output = keyed(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?} {}", err(&output));
    }
    let text = out(&keyed(&["unlock", "--user", "carl"])).to_owned();
    assert!(
        text.contains("against carl's account.") && text.contains("palisade unlock --address ADDRESS"),
        "{text}"
    );
    // The service and its check still ask for them, each once and for nothing else.
    let checked = keyed(&["check"]);
    assert_eq!(checked.status.code(), Some(2));
    let text = out(&checked);
    assert_eq!(text.matches("error[P008]").count(), 3, "{text}");
    assert!(!text.contains("P015"), "{text}");
    // The root of all keys is never spared.
    let output = run(folder.path(), &["user", "list"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("SECRET_KEY"), "{}", err(&output));
}
