//! What an opaque token may be used for, of all that its user may do (ID-16).

use std::fmt;

use http::Method;
use palisade_model::FieldFault;

/// The most scopes of one token.
const MOST: usize = 32;

/// The longest path of a scope, in bytes.
const LONGEST: usize = 256;

/// `read`, `write`, or either with a path: `read:/api/orders`.
///
/// `read` is for GET, HEAD and OPTIONS; `write` is for every method. A path stands for itself and for all below it,
/// compared as it was sent: a path in another spelling is outside, and the gate lets no path through that has two
/// readings (EDGE-6). A token never does what its user may not: a scope only takes away.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Scope {
    writes: bool,
    path: Option<String>,
}

/// The scopes of one token. None at all allows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// All that its user may do.
    #[must_use]
    pub fn everything() -> Self {
        Self(vec![Scope { writes: true, path: None }])
    }

    /// From scopes separated by spaces or commas.
    ///
    /// # Errors
    /// What to write instead, for the field `scopes`.
    pub fn parse(text: &str) -> Result<Self, FieldFault> {
        let fault = |message: String| FieldFault::new("scopes", message);
        let words = || text.split([' ', ',', '\n', '\r', '\t']).filter(|word| !word.is_empty());
        if words().count() > MOST {
            return Err(fault(format!("Name at most {MOST} scopes.")));
        }
        let scopes: Option<Vec<Scope>> = words().map(Scope::parse).collect();
        match scopes {
            Some(scopes) if !scopes.is_empty() => Ok(Self(scopes)),
            _ => Err(fault("Write 'read' or 'write', or either with a path: 'read:/api/orders'.".into())),
        }
    }

    /// Whether a request is within one of them.
    #[must_use]
    pub fn allow(&self, method: &Method, path: &str) -> bool {
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        self.0.iter().any(|scope| (reads || scope.writes) && scope.covers(path))
    }
}

impl Scope {
    fn parse(word: &str) -> Option<Self> {
        let (verb, path) = word.split_once(':').map_or((word, None), |(verb, path)| (verb, Some(path)));
        let writes = match verb {
            "read" => false,
            "write" => true,
            _ => return None,
        };
        let path = match path {
            None => None,
            Some(path) => Some(plain(path)?),
        };
        Some(Self { writes, path })
    }

    fn covers(&self, path: &str) -> bool {
        let Some(front) = &self.path else { return true };
        path.strip_prefix(front.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// The path without a slash at its end, if it has one reading only. `/` is the whole site.
fn plain(path: &str) -> Option<String> {
    let segments_are_plain = path.strip_prefix('/')?.trim_end_matches('/').split('/').all(|segment| {
        segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~@+".contains(&byte))
            && !segment.bytes().all(|byte| byte == b'.')
    });
    let whole = path.trim_end_matches('/');
    let fits = path.len() <= LONGEST && (segments_are_plain || whole.is_empty());
    fits.then(|| whole.to_owned())
}

/// As they are written, separated by spaces.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, scope) in self.0.iter().enumerate() {
            let space = if at > 0 { " " } else { "" };
            let verb = if scope.writes { "write" } else { "read" };
            write!(f, "{space}{verb}")?;
            match scope.path.as_deref() {
                None => {}
                Some("") => f.write_str(":/")?,
                Some(path) => write!(f, ":{path}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(scopes: &str, method: &Method, path: &str) -> bool {
        Scopes::parse(scopes).unwrap().allow(method, path)
    }

    // proves: ID-16
    #[test]
    fn a_scope_is_for_its_methods_and_its_paths_alone() {
        for (scopes, method, path, yes) in [
            ("read", Method::GET, "/any", true),
            ("read", Method::HEAD, "/any", true),
            ("read", Method::OPTIONS, "/any", true),
            ("read", Method::POST, "/any", false),
            ("read", Method::DELETE, "/any", false),
            ("write", Method::DELETE, "/any", true),
            ("write", Method::GET, "/any", true),
            ("read:/api/orders", Method::GET, "/api/orders", true),
            ("read:/api/orders/", Method::GET, "/api/orders/7", true),
            ("read:/", Method::GET, "/api", true),
            ("read:/api/orders", Method::GET, "/api/ordersX", false),
            ("read:/api/orders", Method::GET, "/api/orders;x=1", false),
            ("read:/api/orders", Method::GET, "/api/ORDERS", false),
            ("read:/api/orders", Method::GET, "/api/%6frders", false),
            ("read:/api/orders", Method::GET, "//api/orders", false),
            ("read:/api/orders", Method::GET, "/", false),
            ("read, write:/api/orders", Method::POST, "/api/orders/7", true),
            ("read write:/api/orders", Method::POST, "/api/users", false),
        ] {
            assert_eq!(allows(scopes, &method, path), yes, "{scopes} {method} {path}");
        }
        assert!(!Scopes::default().allow(&Method::GET, "/"));
        assert!(Scopes::everything().allow(&Method::DELETE, "/x"));
    }

    #[test]
    fn what_is_no_scope_is_refused_and_what_is_one_reads_the_same_again() {
        for bad in [
            "",
            " ",
            "admin",
            "read:",
            "read:api",
            "read:/a/../b",
            "READ",
            "read:/a%2f",
            "read:/a//b",
            "read:/a?b",
        ] {
            assert!(Scopes::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Scopes::parse(&"read ".repeat(33)).is_err());
        for good in ["read", "write", "read:/", "read:/api/v1 write:/api/v1/orders"] {
            let scopes = Scopes::parse(good).unwrap();
            assert_eq!(scopes.to_string(), good);
            assert_eq!(Scopes::parse(&scopes.to_string()).unwrap(), scopes);
        }
    }
}
