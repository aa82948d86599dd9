//! A bounded pool of threads for work that takes the whole processor (ID-3).
//!
//! So many may work, so many may wait, and whoever comes then is told at once to come back later: memory
//! and waiting time have a bound however many sign in. A job whose client has gone is not begun.
//!
//! The threads give way: they run when nothing else wants to, so that requests beside sign-ins keep their
//! speed. Lest a busy machine keeps everybody from signing in, a job that waited for long is done by
//! one more thread that does not.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use palisade_model::{Denial, Refusal};
use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::oneshot;

use super::scheme::Workspace;

/// An idle worker gives its memory back after this long.
const LINGER: Duration = Duration::from_secs(1);
/// The allocator keeps freed memory for a second, and then until it has a reason to look.
const SWEEP: Duration = Duration::from_millis(1500);
/// A job that has waited for this long is late.
const LATE: Duration = Duration::from_millis(300);

/// Says whether it was still wanted, and so done.
type Work = Box<dyn FnOnce(&mut Workspace) -> bool + Send>;

/// How much the pool for passwords did and does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashingLoad {
    /// Jobs that it has taken since the start: each verifies, makes or judges one password.
    pub taken: u64,
    /// Jobs that are worked on or wait.
    pub inside: usize,
}

/// The pool. Its threads end when it is dropped.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    workers: usize,
    room: usize,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    /// For the thread that waits for jobs to be late.
    late: Condvar,
    /// Waiting and working.
    inside: AtomicUsize,
    /// Jobs that got a place so far.
    taken: AtomicU64,
    /// How long a job takes, in microseconds: a moving average.
    pace: AtomicU64,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

struct Job {
    work: Work,
    since: Instant,
}

/// What a worker without a job still has to give back.
enum Left {
    /// Its workspace.
    Workspace,
    /// What the allocator keeps of it.
    Freed,
    Nothing,
}

/// A place in the pool, given back when it is dropped.
struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Pool {
    /// `workers` threads, one more for late jobs, and `queue` jobs that may wait for them.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn new(workers: usize, queue: usize) -> std::io::Result<Self> {
        Self::with(workers.max(1), queue)
    }

    fn with(workers: usize, queue: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            wake: Condvar::new(),
            late: Condvar::new(),
            inside: AtomicUsize::new(0),
            taken: AtomicU64::new(0),
            pace: AtomicU64::new(0),
        });
        let pool = Self { shared, workers, room: workers.saturating_add(queue) };
        for number in 0..workers {
            let shared = pool.shared.clone();
            std::thread::Builder::new().name(format!("hash-{number}")).spawn(move || {
                give_way();
                shared.work();
            })?;
        }
        let shared = pool.shared.clone();
        std::thread::Builder::new().name("hash-late".into()).spawn(move || shared.work_late())?;
        Ok(pool)
    }

    /// Does the work on one of the threads.
    ///
    /// # Errors
    /// [`Denial::HashingBusy`] at once when there is no room; [`Denial::Internal`] when the work panicked.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Workspace) -> R + Send + 'static,
    ) -> Result<R, Refusal> {
        let place = self.enter()?;
        let (tell, told) = oneshot::channel();
        let work = move |workspace: &mut Workspace| {
            // The client may have left while it waited, or while the work is done.
            let wanted = !tell.is_closed();
            if wanted {
                let done = work(workspace);
                // Before the answer: whoever has it asks for more at once.
                drop(place);
                drop(tell.send(done));
            }
            wanted
        };
        let job = Job { work: Box::new(work), since: Instant::now() };
        self.shared.queue.lock().jobs.push_back(job);
        self.shared.wake.notify_one();
        self.shared.late.notify_one();
        told.await.map_err(|_| Refusal::new(Denial::Internal, "hashing work did not finish"))
    }

    fn enter(&self) -> Result<Place, Refusal> {
        let entered = self.shared.inside.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |inside| {
            (inside < self.room).then(|| inside.saturating_add(1))
        });
        match entered {
            Ok(_) => {
                self.shared.taken.fetch_add(1, Ordering::Relaxed);
                Ok(Place(self.shared.clone()))
            }
            Err(_) => {
                Err(Refusal::new(Denial::HashingBusy, "hashing queue is full").retry_after(self.wait()))
            }
        }
    }

    /// How much it did and does.
    pub(crate) fn load(&self) -> HashingLoad {
        HashingLoad {
            taken: self.shared.taken.load(Ordering::Relaxed),
            inside: self.shared.inside.load(Ordering::SeqCst),
        }
    }

    /// How long the queue takes to empty, in whole seconds.
    fn wait(&self) -> Duration {
        let pace = self.shared.pace.load(Ordering::Relaxed);
        let rounds = self.room.div_ceil(self.workers.max(1)) as u64;
        Duration::from_secs(pace.saturating_mul(rounds).div_ceil(1_000_000).clamp(1, 60))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.queue.lock().closed = true;
        self.shared.wake.notify_all();
        self.shared.late.notify_all();
    }
}

/// Lets everything else go first. Where the system refuses, hashing takes an equal share.
fn give_way() {
    #[cfg(target_os = "linux")]
    {
        use thread_priority::unix::{NormalThreadSchedulePolicy, set_thread_priority_and_policy};
        use thread_priority::{ThreadPriority, ThreadSchedulePolicy, thread_native_id};

        // sched(7): any other thread that wakes runs at once. A nice value would wait for the next tick.
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle) {
            tracing::debug!(?error, "hashing does not give way to requests");
        }
    }
}

impl Shared {
    fn work(&self) {
        let mut workspace = Workspace::default();
        while let Some(job) = self.next(&mut workspace) {
            self.run(job, &mut workspace);
        }
    }

    fn work_late(&self) {
        let mut workspace = Workspace::default();
        while let Some(job) = self.next_late(&mut workspace) {
            self.run(job, &mut workspace);
        }
    }

    fn run(&self, job: Job, workspace: &mut Workspace) {
        let began = Instant::now();
        let work = job.work;
        match catch_unwind(AssertUnwindSafe(|| work(workspace))) {
            Ok(true) => self.keep_pace(began.elapsed()),
            Ok(false) => {}
            Err(_) => {
                tracing::error!("work on the hashing pool panicked");
                workspace.release();
            }
        }
    }

    fn keep_pace(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let pace = self.pace.load(Ordering::Relaxed);
        self.pace.store(pace.saturating_mul(7).saturating_add(took) / 8, Ordering::Relaxed);
    }

    fn next(&self, workspace: &mut Workspace) -> Option<Job> {
        let mut left = if workspace.is_released() { Left::Nothing } else { Left::Workspace };
        let mut queue = self.queue.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.closed {
                return None;
            }
            let wait = match left {
                Left::Workspace => LINGER,
                Left::Freed => SWEEP,
                Left::Nothing => {
                    self.wake.wait(&mut queue);
                    continue;
                }
            };
            if self.wake.wait_for(&mut queue, wait).timed_out() {
                // Whoever has work to hand in must not wait for a thread that gives way.
                left = MutexGuard::unlocked(&mut queue, || match left {
                    Left::Workspace => {
                        workspace.release();
                        Left::Freed
                    }
                    Left::Freed | Left::Nothing => {
                        sweep();
                        Left::Nothing
                    }
                });
            }
        }
    }

    fn next_late(&self, workspace: &mut Workspace) -> Option<Job> {
        let mut queue = self.queue.lock();
        loop {
            match queue.jobs.front().map(|job| LATE.saturating_sub(job.since.elapsed())) {
                Some(Duration::ZERO) => return queue.jobs.pop_front(),
                Some(left) => {
                    self.late.wait_for(&mut queue, left);
                }
                None if queue.closed => return None,
                None if !workspace.is_released() => {
                    MutexGuard::unlocked(&mut queue, || workspace.release());
                }
                None => self.late.wait(&mut queue),
            }
        }
    }
}

/// The end of any thread is a reason for the allocator to give the system what was freed before.
fn sweep() {
    if let Err(error) = std::thread::Builder::new().name("hash-sweep".into()).spawn(|| ()) {
        tracing::debug!(%error, "freed memory stays");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    // proves: ID-3
    #[tokio::test]
    async fn beyond_workers_and_queue_it_sheds_at_once_and_takes_more_afterwards() {
        let pool = Arc::new(Pool::new(2, 3).unwrap());
        let (open, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let waiting: Vec<_> = (0..5)
            .map(|_| {
                let (pool, gate) = (pool.clone(), gate.clone());
                tokio::spawn(async move { pool.run(move |_| gate.lock().recv().is_ok()).await })
            })
            .collect();
        while pool.shared.inside.load(Ordering::SeqCst) < 5 {
            tokio::task::yield_now().await;
        }
        let refusal = pool.run(|_| ()).await.unwrap_err();
        assert_eq!(refusal.denial, Denial::HashingBusy);
        assert!(refusal.retry_after.unwrap() >= Duration::from_secs(1));
        for _ in 0..5 {
            open.send(()).unwrap();
        }
        for job in waiting {
            assert!(job.await.unwrap().unwrap());
        }
        assert!(pool.run(|_| true).await.unwrap());
    }

    // proves: ID-3
    #[tokio::test]
    async fn a_job_whose_client_left_is_not_begun_and_gives_its_place_back() {
        let pool = Arc::new(Pool::new(1, 4).unwrap());
        let (open, gate) = mpsc::channel::<()>();
        let busy = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(move |_| gate.recv().is_ok()).await }
        });
        let began = Arc::new(AtomicUsize::new(0));
        let mut gone = Box::pin({
            let (pool, began) = (pool.clone(), began.clone());
            async move { pool.run(move |_| began.fetch_add(1, Ordering::SeqCst)).await }
        });
        while pool.shared.inside.load(Ordering::SeqCst) < 1 {
            tokio::task::yield_now().await;
        }
        assert!(poll_once(&mut gone).await.is_none());
        drop(gone);
        open.send(()).unwrap();
        busy.await.unwrap().unwrap();
        assert!(pool.run(|_| true).await.unwrap());
        assert_eq!(began.load(Ordering::SeqCst), 0);
    }

    // proves: ID-3
    #[tokio::test]
    async fn a_panic_costs_neither_thread_nor_place() {
        let pool = Pool::new(1, 0).unwrap();
        for _ in 0..3 {
            let refusal = pool.run(|_| panic!("on purpose")).await.unwrap_err();
            assert_eq!(refusal.denial, Denial::Internal);
            while pool.shared.inside.load(Ordering::SeqCst) > 0 {
                tokio::task::yield_now().await;
            }
        }
        assert!(pool.run(|_| true).await.unwrap());
    }

    // proves: ID-3
    #[tokio::test]
    async fn a_late_job_does_not_wait_for_the_workers() {
        let pool = Arc::new(Pool::new(1, 4).unwrap());
        let (open, gate) = mpsc::channel::<()>();
        let busy = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(move |_| gate.recv().is_ok()).await }
        });
        while pool.shared.inside.load(Ordering::SeqCst) < 1 {
            tokio::task::yield_now().await;
        }
        let asked = Instant::now();
        let done = tokio::time::timeout(LATE * 20, pool.run(|_| thread_name())).await.unwrap().unwrap();
        assert_eq!(done, "hash-late");
        assert!(asked.elapsed() >= LATE);
        open.send(()).unwrap();
        assert!(busy.await.unwrap().unwrap());
        assert_eq!(pool.run(|_| thread_name()).await.unwrap(), "hash-0");
    }

    // proves: ID-3
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn workers_give_way_and_the_one_for_late_jobs_does_not() {
        // proc_pid_stat(5): field 41, counted from behind the name. sched(7): 5 is SCHED_IDLE.
        let policy = || {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            let (_, behind) = stat.rsplit_once(')').unwrap();
            behind.split_whitespace().nth(38).unwrap().to_owned()
        };
        assert_eq!(Pool::new(1, 0).unwrap().run(move |_| policy()).await.unwrap(), "5");
        // No worker at all, so that each job is late.
        let pool = Pool::with(0, 1).unwrap();
        assert_eq!(pool.run(move |_| policy()).await.unwrap(), "0");
    }

    fn thread_name() -> String {
        std::thread::current().name().unwrap().to_owned()
    }

    /// Polls once.
    async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
            std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
        .await
    }
}
