//! What answers once the stages let a request in.

pub mod assets;
pub mod description;
pub mod health;
pub mod identity;
pub mod keys;
pub mod metrics;
pub mod upstream;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use palisade_access::Access;
use palisade_gate::{Allowed, Exchange, refused};
use palisade_model::{Denial, Refusal, World};
use palisade_policy::Policy;
use palisade_policy::section::route::{Service, Target};
use tower::ServiceExt as _;

use assets::Assets;
use health::Health;
use upstream::Upstreams;

/// Every service, by the target of the request's route.
pub struct Services {
    policy: Arc<Policy>,
    access: Access,
    upstreams: Arc<Upstreams>,
    identity: Router,
    health: Health,
    assets: Arc<Assets>,
}

impl Services {
    /// All services of this policy.
    #[must_use]
    pub fn new(
        policy: Arc<Policy>,
        access: Access,
        upstreams: Arc<Upstreams>,
        health: Health,
        assets: Assets,
        world: World,
    ) -> Self {
        let assets = Arc::new(assets);
        let identity = identity::router(Arc::clone(&policy), access.clone(), Arc::clone(&assets), world);
        Self { policy, access, upstreams, identity, health, assets }
    }

    /// The services as the gate calls them.
    pub fn into_service(
        self,
    ) -> impl tower::Service<
        Request<Body>,
        Response = Response<Body>,
        Error = Infallible,
        Future = impl Future<Output = Result<Response<Body>, Infallible>> + Send,
    > + Clone
    + Send
    + Sync
    + 'static {
        let services = Arc::new(self);
        tower::service_fn(move |request| {
            let services = Arc::clone(&services);
            async move { Ok(services.answer(request).await) }
        })
    }

    async fn answer(&self, mut request: Request<Body>) -> Response<Body> {
        // Without the gate around it no service answers anything.
        let Some(exchange) = request.extensions().get::<Arc<Exchange>>().cloned() else { return ungated() };
        let Some(route) = self.policy.routes.rows.get(exchange.route) else { return ungated() };
        match route.target {
            Target::Upstream { .. } => match request.extensions_mut().remove::<Allowed>() {
                Some(Allowed(permit)) => self.upstreams.handle(request, route, &exchange, &permit).await,
                None => ungated(),
            },
            Target::Service(Service::Identity) => {
                match Box::pin(self.identity.clone().oneshot(request)).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                }
            }
            Target::Service(Service::Health) => Box::pin(self.health.answer(request.uri().path())).await,
            Target::Service(Service::Keys) => {
                keys::answer(&self.access, self.policy.identify.tokens.publish_ahead)
            }
            Target::Service(Service::Description) => description::answer(&self.policy),
            Target::Service(Service::Assets) => self.assets.answer(request.uri().path()),
        }
    }
}

fn ungated() -> Response<Body> {
    refused(Refusal::new(Denial::Internal, "a service was reached without the gate"))
}
