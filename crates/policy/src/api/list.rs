//! Every operation, matter by matter.

use super::operation::Operation;
use super::{account, admin, auth, factor, keys, server};

/// Every operation of the public API.
pub fn operations() -> impl Iterator<Item = &'static Operation> {
    [
        auth::OPERATIONS,
        factor::OPERATIONS,
        account::OPERATIONS,
        keys::OPERATIONS,
        admin::OPERATIONS,
        server::OPERATIONS,
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::operations;
    use crate::section::route::own;

    /// Whether a row speaks JSON to programs. Pages take JSON too, for tests and scripts, and promise nothing of it.
    fn speaks_json(path: &str) -> bool {
        path.starts_with("/api/")
            || matches!(path, "/healthz" | "/readyz" | "/health" | "/.well-known/jwks.json")
    }

    // Documents that are wrong are worse than none.
    #[test]
    fn every_row_that_speaks_json_is_described_and_every_description_has_its_row() {
        let rows: BTreeSet<(&str, &str)> = own::terms()
            .filter(|terms| speaks_json(terms.path))
            .flat_map(|terms| terms.methods.iter().map(move |method| (terms.path, *method)))
            .collect();
        let mut described = BTreeSet::new();
        for operation in operations() {
            assert!(
                described.insert((operation.path, operation.method)),
                "{} {} is described twice",
                operation.method,
                operation.path
            );
        }
        let missing: Vec<_> = rows.difference(&described).collect();
        assert!(missing.is_empty(), "add an Operation in crates/policy/src/api for {missing:?}");
        let strays: Vec<_> = described.difference(&rows).collect();
        assert!(strays.is_empty(), "these are described, and no row has them: {strays:?}");
    }

    #[test]
    fn descriptions_are_whole() {
        for operation in operations() {
            let name = format!("{} {}", operation.method, operation.path);
            assert!(operation.summary.ends_with(['.', '?']), "{name}: a sentence");
            assert!(!operation.gives.is_empty(), "{name}: it answers something");
            for gives in operation.gives {
                assert!((200..400).contains(&gives.status) && gives.doc.ends_with('.'), "{name}");
            }
            for field in operation.takes.iter().chain(operation.asks) {
                assert!(field.doc.ends_with('.'), "{name}: {}", field.name);
            }
        }
    }
}
