//! Where all parts meet: a policy becomes a running server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use palisade_access::Access;
use palisade_gate::{Gate, GateParts, Metrics, Trail};
use palisade_model::{SecurityEvent, World};
use palisade_policy::Policy;
use palisade_policy::section::store::Database;
use palisade_store::{AuditRow, Limiter, Location, Store};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::post::Post;
use crate::service::assets::Assets;
use crate::service::health::{Health, Signs};
use crate::service::upstream::Upstreams;
use crate::service::{Services, metrics};
use crate::{exposure, listener, outgoing, signals};

/// How many subjects the limiter remembers at most.
const LIMITER: usize = 1 << 17;

/// How often the limiter's counters are saved: so much of them a crash forgets at most.
const SNAPSHOT: Duration = Duration::from_secs(1);

/// How often breakglass sessions are looked for that are over.
const CLOSING: Duration = Duration::from_secs(2);

/// A running server.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where metrics are served.
    pub metrics_address: Option<SocketAddr>,
    /// The one-time link for the first administrator, as long as nobody can sign in.
    pub first_link: Option<String>,
    /// What it runs by.
    pub policy: Arc<Policy>,
    /// Who may do what.
    pub access: Access,
    /// What it remembers.
    pub store: Store,
    /// What it records.
    pub trail: Trail,
    signs: Arc<Signs>,
    /// Takes requests, and ends first.
    front: Crew,
    /// Works beside the requests until the last of them is answered.
    back: Crew,
}

/// Starts a server by this policy.
///
/// # Errors
/// When the address is taken, the store cannot be opened, or keys cannot be made.
pub async fn start(policy: Policy, world: World) -> anyhow::Result<Running> {
    let address = policy.edge.listen;
    let listener =
        listener::bind(address).with_context(|| format!("cannot listen on {address} (edge.listen)"))?;
    start_on(listener, policy, world).await
}

/// Starts a server by this policy on a listener that is open already.
///
/// # Errors
/// As [`start`].
pub async fn start_on(listener: TcpListener, policy: Policy, world: World) -> anyhow::Result<Running> {
    let policy = Arc::new(policy);
    let address = listener.local_addr().context("the listener has no address")?;
    for folder in exposure::open_folders(&policy) {
        tracing::warn!(folder = %folder.display(), "a folder of secrets or logs is open to everybody here: {}", exposure::REMEDY);
    }
    let store = open_store(&policy, &world).await?;
    let access =
        Access::open_with(Arc::clone(&policy), store.clone(), world.clone(), outgoing::of(&policy)?).await?;
    reseal(&policy, &access).await?;
    let metrics = Metrics::new(&policy);
    let trail = Trail::open(store.clone(), &policy.audit, Arc::clone(&world.clock), &metrics)
        .context("cannot open the events log")?;
    let limiter = Arc::new(Limiter::new(LIMITER));
    limiter.restore(&store.load_counters(world.now()).await.context("cannot read the limiter's counters")?);
    let signs = Arc::new(Signs::default());
    signs.counters_saved(world.now());

    let mut back = Crew::new();
    let metrics_address = serve_metrics(&policy, &metrics, &mut back).await?;
    back.add(|stop| {
        let access = access.clone();
        async move { access.run(stop).await }
    });
    back.add(|stop| close_breakglass(access.clone(), trail.clone(), world.clone(), stop));
    back.add(|stop| {
        save_counters(Arc::clone(&limiter), store.clone(), world.clone(), Arc::clone(&signs), stop)
    });

    let post = Post::open(&policy, &access, &world, &metrics)?;
    let mail = post.as_ref().map(Post::state);
    if let Some(post) = post {
        back.add(|stop| post.run(stop));
    }

    let upstreams = Arc::new(Upstreams::new(Arc::clone(&policy), access.clone()));
    upstreams.show(&metrics);
    let hashing = metrics::Hashing(access.clone());
    metrics.register(|registry| registry.register_collector(Box::new(hashing)));
    let health =
        Health::new(store.clone(), trail.clone(), metrics.clone(), world.clone(), Arc::clone(&signs), mail);
    let services = Services::new(
        Arc::clone(&policy),
        access.clone(),
        Arc::clone(&upstreams),
        health,
        Assets::of(&policy)?,
        world.clone(),
    );
    let gate = Gate::new(GateParts {
        policy: Arc::clone(&policy),
        access: access.clone(),
        limiter,
        trail: trail.clone(),
        metrics,
        world: world.clone(),
    });
    // Before anybody can ask for anything: who registers first must not be in the administrator's way.
    let first_link = first_link(&policy, &access).await?;
    let mut front = Crew::new();
    front.add(|stop| async move { upstreams.run(stop).await });
    front.add(|stop| serve(listener, &policy, gate, services, world, stop));
    Ok(Running { address, metrics_address, first_link, policy, access, store, trail, signs, front, back })
}

impl Running {
    /// Serves until the process is asked to stop (SIGTERM or SIGINT), then lets open requests end. Asked twice, it
    /// stops at once.
    pub async fn until_stopped(self, mut stop: signals::Stop) {
        stop.asked().await;
        tracing::info!("stopping: open requests may end");
        tokio::select! {
            () = self.shutdown() => {}
            () = stop.asked() => tracing::warn!("stopped at once: asked twice"),
        }
    }

    /// Takes no more connections, lets open requests end within the policy's time, and writes down what is left to
    /// write.
    pub async fn shutdown(self) {
        self.signs.drain();
        self.front.end().await;
        self.back.end().await;
        let trail = self.trail;
        let _ = tokio::task::spawn_blocking(move || trail.flush()).await;
        self.store.close().await;
    }
}

/// Tasks that end together.
struct Crew {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Crew {
    fn new() -> Self {
        Self { stop: watch::Sender::new(false), tasks: JoinSet::new() }
    }

    /// Adds a task that ends when the future that it is handed does.
    fn add<F: Future<Output = ()> + Send + 'static>(&mut self, task: impl FnOnce(Stop) -> F) {
        let mut stop = self.stop.subscribe();
        let stop = Box::pin(async move {
            // An error means that the crew is gone, which ends the task as well.
            let _ = stop.wait_for(|stop| *stop).await;
        });
        self.tasks.spawn(task(stop));
    }

    async fn end(mut self) {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a part of the server failed");
            }
        }
    }
}

/// Ready when it is time to stop.
type Stop = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

async fn open_store(policy: &Policy, world: &World) -> anyhow::Result<Store> {
    let location = match &policy.store.database {
        Database::Memory => Location::Memory,
        Database::Sqlite(path) => Location::Sqlite(path.clone()),
        Database::Postgres(url) => Location::Postgres(url.clone()),
    };
    Ok(Store::open(&location, world).await?)
}

async fn first_link(policy: &Policy, access: &Access) -> anyhow::Result<Option<String>> {
    let token = access.first_administrator().await?;
    Ok(token.map(|token| format!("{}/auth/link/{}", policy.app.base_url.origin, token.expose())))
}

async fn serve_metrics(
    policy: &Policy,
    counted: &Metrics,
    crew: &mut Crew,
) -> anyhow::Result<Option<SocketAddr>> {
    let Some(address) = policy.edge.metrics_listen else { return Ok(None) };
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot serve metrics on {address} (edge.metrics_listen)"))?;
    let address = listener.local_addr().context("the listener has no address")?;
    let counted = counted.clone();
    crew.add(|stop| async move {
        if let Err(error) = metrics::serve(listener, counted, stop).await {
            tracing::error!(%error, "metrics are not served any more");
        }
    });
    Ok(Some(address))
}

fn serve(
    listener: TcpListener,
    policy: &Policy,
    gate: Gate,
    services: Services,
    world: World,
    stop: Stop,
) -> impl Future<Output = ()> + Send + 'static {
    let settings = listener::Settings::from(&policy.edge);
    let services = services.into_service();
    let turning_away = gate.clone();
    let on_refusal: listener::OnRefusal =
        Arc::new(move |peer, refusal| turning_away.turn_away(refusal, peer));
    let answer = move |request| {
        let (gate, services) = (gate.clone(), services.clone());
        async move { gate.handle(request, &services).await }
    };
    async move {
        if let Err(error) = listener::serve(listener, settings, answer, on_refusal, world, stop).await {
            tracing::error!(%error, "the listener failed");
        }
    }
}

/// Looks whether breakglass sessions are over, and tells of each what was done in it (ID-13).
async fn close_breakglass(access: Access, trail: Trail, world: World, mut stop: Stop) {
    let mut last = false;
    while !last {
        last = tokio::time::timeout(CLOSING, &mut stop).await.is_ok();
        match access.close_breakglass().await {
            Ok(reports) => reports.iter().for_each(|report| {
                let changes: Vec<Value> = report.changes().map(told).collect();
                let event = SecurityEvent::new(world.now(), "breakglass_closed")
                    .with("token", report.token.id.to_string())
                    .with("user", report.token.user.to_string())
                    .with("reason", report.token.reason.as_deref())
                    .with("count", changes.len())
                    .with("changes", changes);
                trail.event(&event);
            }),
            Err(error) => tracing::warn!(%error, "breakglass sessions could not be closed: later"),
        }
    }
}

/// One change, as the events log tells it: the rest stands in the trail.
fn told(row: &AuditRow) -> Value {
    json!({"seq": row.seq, "at": row.at.to_string(), "action": row.action, "entity": row.entity_id})
}

/// Saves the limiter's counters each second, and at the end. A save that takes long makes the pause longer: it never
/// takes more than a tenth of the time.
async fn save_counters(limiter: Arc<Limiter>, store: Store, world: World, signs: Arc<Signs>, mut stop: Stop) {
    let mut pause = SNAPSHOT;
    let mut last = false;
    while !last {
        last = tokio::time::timeout(pause, &mut stop).await.is_ok();
        let begun = Instant::now();
        let now = world.now();
        let rows = limiter.snapshot(now);
        match store.save_counters(&rows).await {
            Ok(()) => signs.counters_saved(now),
            Err(error) => tracing::warn!(%error, "the limiter's counters cannot be saved"),
        }
        pause = SNAPSHOT.max(begun.elapsed() * 10);
    }
}

/// While the root secret rotates: what the former one sealed is sealed anew, so that it can be dropped (ID-11).
async fn reseal(policy: &Policy, access: &Access) -> anyhow::Result<()> {
    if policy.identify.previous_secret_keys.is_empty() {
        return Ok(());
    }
    let all = access.reseal().await.context("cannot seal anew what a former root secret sealed")?;
    tracing::info!(anew = all.anew, "sealed under the present root secret");
    if all.lost > 0 {
        tracing::error!(
            lost = all.lost,
            "some secrets open under none of the root secrets: list the one they need"
        );
    }
    Ok(())
}
