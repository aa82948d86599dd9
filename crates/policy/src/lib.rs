//! `palisade.toml`: read once, checked with care, compiled into plain and fast tables.

pub mod section;

use section::app::App;
use section::audit::Audit;
use section::authorize::Roles;
use section::csrf::Csrf;
use section::edge::Edge;
use section::identify::Identify;
use section::route::Routes;
use section::shield::Shield;
use section::store::Store;
use section::upstream::Upstream;

/// The whole policy, compiled. Nothing in it can be wrong any more: [`Policy`] is what checking gives.
#[derive(Clone, Debug)]
pub struct Policy {
    /// `[app]`
    pub app: App,
    /// `[edge]`
    pub edge: Edge,
    /// `[store]`
    pub store: Store,
    /// `[shield]`
    pub shield: Shield,
    /// `[identify]`
    pub identify: Identify,
    /// `[csrf]`
    pub csrf: Csrf,
    /// `[authorize]`
    pub roles: Roles,
    /// `[[route]]`, with Palisade's own.
    pub routes: Routes,
    /// `[upstream.*]`
    pub upstreams: Vec<Upstream>,
    /// `[audit]`
    pub audit: Audit,
}
