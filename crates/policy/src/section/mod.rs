//! One file for each section of `palisade.toml`: its settings and what they compile to.

pub mod app;
pub mod audit;
pub mod authorize;
pub mod csrf;
pub mod edge;
pub mod identify;
pub mod mail;
pub mod route;
pub mod shield;
pub mod store;
pub mod upstream;

use crate::read::Scope;

/// Every table of a policy, in the order in which people should read them.
pub const SCOPES: &[&[Scope]] = &[
    app::SCOPES,
    edge::SCOPES,
    store::SCOPES,
    mail::SCOPES,
    shield::SCOPES,
    shield::headers::SCOPES,
    shield::cors::SCOPES,
    shield::limits::SCOPES,
    identify::SCOPES,
    identify::lockout::SCOPES,
    identify::passwords::SCOPES,
    identify::second_factor::SCOPES,
    identify::sessions::SCOPES,
    identify::tokens::SCOPES,
    identify::oidc::SCOPES,
    identify::outside::SCOPES,
    identify::api_keys::SCOPES,
    identify::admin_tokens::SCOPES,
    identify::breakglass::SCOPES,
    identify::guests::SCOPES,
    csrf::SCOPES,
    authorize::SCOPES,
    route::read::SCOPES,
    route::legacy::SCOPES,
    upstream::SCOPES,
    audit::SCOPES,
];

/// The same, one after the other.
pub fn scopes() -> impl Iterator<Item = &'static Scope> + Clone {
    SCOPES.iter().copied().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use palisade_model::Environment;
    use toml::de::DeTable;

    use super::scopes;
    use crate::read::{Reader, Shape, Table};

    /// Where a setting stands in the development policy, which has one upstream `app` and one route.
    fn here(path: &str) -> String {
        path.replace("upstream.NAME", "upstream.app")
            .replace("identify.oidc.NAME", "identify.oidc.google")
            .replace("route.", "route[0].")
    }

    // A key that nothing reads would be a promise that nothing keeps.
    #[test]
    fn every_setting_is_read() {
        let environment: Environment = [("GOOGLE_CLIENT_ID", "id")].into_iter().collect();
        let mut reader = Reader::new(&environment, super::SCOPES);
        let table = DeTable::parse(crate::DEVELOPMENT).unwrap();
        crate::read_all(&mut reader, &Table::root(table.get_ref()), crate::DEVELOPMENT);
        assert!(reader.found.is_empty());
        let read: BTreeSet<&str> = reader.places.paths().collect();
        for setting in scopes().flat_map(|scope| scope.settings) {
            assert!(read.contains(here(setting.path()).as_str()), "nothing reads {}", setting.path());
        }
        let listed: BTreeSet<String> =
            scopes().flat_map(|scope| scope.settings).map(|setting| here(setting.path())).collect();
        for path in read.iter().filter(|path| !path.contains("].cors.")) {
            assert!(listed.contains(*path), "{path} is read, and stands in no list");
        }
    }

    #[test]
    fn settings_are_sound_in_themselves() {
        let mut paths = BTreeSet::new();
        for scope in scopes() {
            assert!(paths.insert(scope.path), "{} twice", scope.path);
            assert!(scope.doc.ends_with('.'), "{}", scope.path);
            for name in scope.tables {
                let inner = format!("{}.{name}", scope.path);
                let named = format!("{inner}.NAME");
                let known = scopes().any(|scope| scope.path == inner || scope.path == named);
                assert!(inner == "route.cors" || known, "{inner}");
            }
            for setting in scope.settings {
                assert_eq!(setting.faults(), Vec::<String>::new());
                let table = setting.path().rsplit_once('.').map(|(table, _)| table);
                assert_eq!(table, Some(scope.path), "{} stands in the wrong list", setting.path());
                assert!(
                    paths.insert(setting.path()) || scope.shape == Shape::Names,
                    "{} twice",
                    setting.path()
                );
            }
        }
    }
}
