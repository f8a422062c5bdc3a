//! Asking exchanges: each by itself, with a pause after failures that grows, by the one process that has the right.

use crate::core::access::Scope;
use crate::core::exchange::{Exchange, Kind};
use crate::core::id::ExchangeId;
use crate::io::store::Task;
use crate::io::web::Web;
use crate::services::desk::Desk;
use crate::services::exchange::followed::Followed;
use crate::services::halt::Halt;
use crate::services::standing::{Doing, Standings};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Time between two looks at which exchanges there are.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Pause after a first failure, and the longest after many.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(60);

struct Running {
    version: u64,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Asks all exchanges that are enabled until stopped, but for those that screening asks.
pub async fn run(desk: Desk, stop: CancellationToken) {
    let (web, standings) = (desk.matchers.web().clone(), desk.matchers.standings().clone());
    let mut running: HashMap<(Scope, ExchangeId), Running> = HashMap::new();
    loop {
        let wanted = match wanted(&desk).await {
            Some(wanted) => wanted,
            // Which there are is not known just now: those that are asked go on being asked.
            None => {
                if pause(&stop).await {
                    continue;
                } else {
                    break;
                }
            }
        };
        let obsolete = |key: &(Scope, ExchangeId), one: &Running| {
            one.task.is_finished()
                || wanted.get(key).is_none_or(|exchange| exchange.version != one.version)
        };
        let over: Vec<_> = running
            .iter()
            .filter(|(key, one)| obsolete(key, one))
            .map(|(k, _)| k.clone())
            .collect();
        for key in over {
            end(&mut running, &standings, &key).await;
        }
        for (key, exchange) in wanted {
            running.entry(key.clone()).or_insert_with(|| {
                let (version, stop) = (exchange.version, stop.child_token());
                let until = stop.clone();
                let asking = ask(desk.clone(), web.clone(), key, exchange, standings.clone());
                let task = tokio::spawn(async move {
                    tokio::select! {
                        () = asking => {}
                        () = until.cancelled() => {}
                    }
                });
                Running { version, stop, task }
            });
        }
        if !pause(&stop).await {
            break;
        }
    }
    for key in running.keys().cloned().collect::<Vec<_>>() {
        end(&mut running, &standings, &key).await;
    }
}

async fn end(
    running: &mut HashMap<(Scope, ExchangeId), Running>,
    standings: &Standings,
    key: &(Scope, ExchangeId),
) {
    if let Some(one) = running.remove(key) {
        one.stop.cancel();
        // What it was keeping is kept or not by the store: nothing is left half done.
        drop(one.task.await);
        standings.end(key);
    }
}

/// Waits until there is reason to look again; false where it is over.
async fn pause(stop: &CancellationToken) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        () = tokio::time::sleep(LOOK_EVERY) => true,
    }
}

/// The exchanges that this process should ask; nothing where that is not known.
async fn wanted(desk: &Desk) -> Option<HashMap<(Scope, ExchangeId), Exchange>> {
    if desk.store.lease(Task::Exchanging).is_none() {
        return Some(HashMap::new());
    }
    let all = desk.store.all_exchanges().await.ok()?;
    let is_asked = |exchange: &Exchange| exchange.enabled && !exchange.kind.is_consulted();
    let enabled = all.into_iter().filter(|(_, exchange)| is_asked(exchange));
    Some(enabled.map(|(scope, exchange)| ((scope, exchange.id.clone()), exchange)).collect())
}

/// Asks one exchange, again and again.
async fn ask(
    desk: Desk,
    web: Web,
    key: (Scope, ExchangeId),
    exchange: Exchange,
    standings: Standings,
) {
    let wake = standings.begin(&key);
    let (scope, standings) = (key.0.clone(), &standings);
    let followed =
        Followed { scope, exchange, standings: standings.clone(), web, wake: Arc::clone(&wake) };
    loop {
        standings.does(&key, Doing::Connecting);
        let ended = match &followed.exchange.kind {
            Kind::Bulwark(other) => followed.follow(&desk, other).await,
            _ => followed.poll(&desk).await,
        };
        let Err(Halt { why, wait }) = ended;
        let failures = standings.failed(&key, &why);
        tracing::warn!(exchange = %key.1, failures, why, "an exchange is asked again later");
        let pause =
            PAUSE_MAX.min(PAUSE_MIN * 2_u32.saturating_pow(failures.saturating_sub(1).min(8)));
        // So that many do not ask at one moment.
        let share = u32::from(desk.clock.random::<1>()[0]);
        let pause = pause / 2 + pause / 2 * share / 255;
        tokio::select! {
            () = tokio::time::sleep(pause.max(wait.unwrap_or_default())) => {}
            () = wake.notified() => {}
        }
    }
}
