//! Who holds the session of one live stream: tells it what happens, and carries out what it wants done.

use crate::core::access::Scope;
use crate::core::event::Event as Recorded;
use crate::core::live::buffer::{Pieces, Window};
use crate::core::live::effect::{Directive, Effect, Ending, Record};
use crate::core::live::event::{Event, Load, Said, Token};
use crate::core::live::kept::{Done, Guarded, Interrupt, Note, Person, What};
use crate::core::live::policy::Terms;
use crate::core::live::session::Session;
use crate::core::time::Time;
use crate::io::evidence::Piece;
use crate::io::store::RequestKey;
use crate::services::live::holding::Holding;
use crate::services::live::judging::Work;
use crate::services::live::outbox::Outbox;
use crate::services::live::reply;
use crate::services::live::shown::Shown;
use crate::services::live::tools::Tools;
use crate::services::status::{Reason, Refusal};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Viewers whose reports are told apart; by then many more of them change nothing.
const REPORTERS_MAX: usize = 4_096;
/// Least time between two looks at the clock.
const TICK_MIN: Duration = Duration::from_millis(5);

/// What is asked of a keeper.
pub enum Order {
    /// A connection wants to carry the stream.
    Join {
        /// What it shows, and the last directive that it has received; nothing where it says how the stream begins.
        resume: Option<(Token, u64)>,
        /// Where its caller is reached.
        out: Outbox,
        /// What it is told.
        answer: oneshot::Sender<Result<Link, Refusal>>,
    },
    /// A person cuts the stream.
    Interrupt {
        /// Who, and why.
        person: Person,
        /// The request that says so.
        key: Option<RequestKey>,
        /// What the person is told.
        answer: oneshot::Sender<Option<Cutting>>,
    },
}

/// A connection that carries a stream.
pub struct Link {
    /// Where its messages go; once it is dropped the connection is broken.
    pub works: mpsc::Sender<Work>,
    /// Cancelled once it carries the stream no longer.
    pub over: CancellationToken,
    /// Number of the last message that was taken.
    pub taken: u64,
}

/// A cut, and where its journal number is told; nothing where it stood before.
pub struct Cutting {
    /// The cut.
    pub cut: Interrupt,
    /// Its number, where it is known already.
    pub number: Option<u64>,
    /// Where its number is told, where it is new.
    pub told: Option<oneshot::Receiver<Option<u64>>>,
}

/// The connection as the keeper has it.
struct Carrier {
    out: Outbox,
    works: mpsc::Receiver<Work>,
    over: CancellationToken,
}

/// Who holds the session of one stream.
pub struct Keeper {
    tools: Tools,
    scope: Scope,
    guarded: Guarded,
    token: String,
    terms: Terms,
    session: Option<Session>,
    /// What the session wanted before anybody was there to be told.
    first: Vec<Effect>,
    carrier: Option<Carrier>,
    holding: Holding,
    writing: Option<JoinHandle<What>>,
    reporters: HashSet<u64>,
    shown: Arc<Mutex<Shown>>,
    beat: Instant,
    /// Number of the message that is answered.
    answers: u64,
    /// Who cuts, where a person does.
    person: Option<(Person, Option<RequestKey>)>,
    told: Option<oneshot::Receiver<Option<u64>>>,
}

/// What a keeper begins with.
pub struct Beginning {
    /// Whose stream.
    pub scope: Scope,
    /// Which.
    pub guarded: Guarded,
    /// What lets a caller come back, as text.
    pub token: String,
    /// The terms of its surface.
    pub terms: Terms,
    /// Its session, and what that wants.
    pub session: (Session, Vec<Effect>),
    /// Where it is shown.
    pub shown: Arc<Mutex<Shown>>,
}

impl Keeper {
    /// A keeper of a stream that begins.
    #[must_use]
    pub fn new(tools: Tools, beginning: Beginning) -> Self {
        let Beginning { scope, guarded, token, terms, session: (session, first), shown } =
            beginning;
        let holding = Holding::new(tools.buffers.clone());
        Self {
            tools,
            scope,
            guarded,
            token,
            terms,
            session: Some(session),
            first,
            carrier: None,
            holding,
            writing: None,
            reporters: HashSet::new(),
            shown,
            beat: Instant::now(),
            answers: 0,
            person: None,
            told: None,
        }
    }

    /// Keeps the stream until its session is over.
    pub async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let stop = self.tools.stop.clone();
        while self.session.as_ref().is_some_and(|session| session.ending().is_none()) {
            let wake = self.wake();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                order = orders.recv() => match order {
                    Some(order) => self.order(order),
                    None => break,
                },
                written = written(&mut self.writing) => {
                    self.writing = None;
                    self.note(written);
                }
                // What is preserved is on disk before a message can say that the cut was carried out.
                work = next(&mut self.carrier), if self.writing.is_none() => match work {
                    Some(work) => self.work(work),
                    None => self.lost(),
                },
                () = sleep_until(wake) => self.tick(),
            }
        }
        if let Some(writing) = self.writing.take()
            && let Ok(written) = writing.await
        {
            self.note(written);
        }
        let mut shown = self.shown.lock();
        shown.over = Some(Instant::now());
        shown.buffer_bytes = 0;
    }

    fn now(&self) -> Time {
        self.tools.desk.clock.now()
    }

    /// When time has to be looked at.
    fn wake(&self) -> Instant {
        let due = self.session.as_ref().and_then(Session::due);
        let due = due.map(|due| Instant::now() + due.since(self.now()).max(TICK_MIN));
        let beat = self.carrier.as_ref().map(|_| self.beat);
        let far = Instant::now() + Duration::from_secs(60);
        due.into_iter().chain(beat).min().unwrap_or(far)
    }

    fn tick(&mut self) {
        self.tell(Event::Tick);
        if Instant::now() >= self.beat {
            self.beat = Instant::now() + self.tools.desk.limits.heartbeat;
            let taken = self.session.as_ref().map_or(0, Session::taken);
            if let Some(carrier) = &self.carrier {
                carrier.out.say(reply::heartbeat(taken));
            }
        }
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Join { resume, out, answer } => {
                let joined = self.join(resume, out);
                drop(answer.send(joined));
            }
            Order::Interrupt { person, key, answer } => {
                (self.person, self.told) = (Some((person, key)), None);
                self.tell(Event::Interrupts);
                self.person = None;
                let told = self.told.take();
                let cut = self.shown.lock().cut.clone();
                let cutting = cut.map(|(cut, number)| Cutting { cut, number, told });
                drop(answer.send(cutting));
            }
        }
    }

    fn join(&mut self, resume: Option<(Token, u64)>, out: Outbox) -> Result<Link, Refusal> {
        let (sender, works) = mpsc::channel(1);
        let over = CancellationToken::new();
        let carrier = Carrier { out, works, over: over.clone() };
        let first = std::mem::take(&mut self.first);
        if resume.is_none() && !first.is_empty() {
            self.carry(carrier);
            self.opened(0);
            self.act(first);
        } else {
            // Said again, a start is answered as it was.
            let (token, heard) = match resume {
                Some(shown) => shown,
                None => (read_token(&self.token)?, 0),
            };
            let before = self.carrier.take();
            let effects = self.step(Event::Resume { token, heard });
            let fault = effects.iter().find_map(|effect| match effect {
                Effect::Refuse(fault) => Some(*fault),
                _ => None,
            });
            if let Some(fault) = fault {
                self.carrier = before;
                self.act(
                    effects.into_iter().filter(|one| !matches!(one, Effect::Refuse(_))).collect(),
                );
                return Err(reply::refuse(fault));
            }
            if let Some(before) = before {
                before.out.refuse(Refusal::new(Reason::StreamOrder, "another connection came"));
                before.over.cancel();
            }
            self.carry(carrier);
            self.act(effects);
        }
        let taken = self.session.as_ref().map_or(0, Session::taken);
        Ok(Link { works: sender, over, taken })
    }

    fn carry(&mut self, carrier: Carrier) {
        self.carrier = Some(carrier);
        self.beat = Instant::now() + self.tools.desk.limits.heartbeat;
    }

    fn opened(&self, taken: u64) {
        if let Some(carrier) = &self.carrier {
            let heartbeat = self.tools.desk.limits.heartbeat;
            carrier.out.say_last(reply::opened(&self.token, taken, &self.terms, heartbeat));
        }
    }

    fn lost(&mut self) {
        if let Some(carrier) = self.carrier.take() {
            carrier.over.cancel();
        }
        self.tell(Event::Lost);
    }

    fn work(&mut self, work: Work) {
        let Work { number, mut said, piece, reporter, verdict: _, came } = work;
        if let Some(reporter) = reporter {
            let is_new = self.reporters.len() < REPORTERS_MAX && self.reporters.insert(reporter);
            if !is_new {
                // Somebody's second report takes its number and counts for nothing.
                said = Said::Audio(Vec::new());
            }
        }
        let is_piece = matches!(said, Said::Frame(_) | Said::Segment(_));
        if is_piece {
            self.load();
            if let Some(bytes) = piece {
                self.holding.hold(Piece { number, at: self.now(), bytes });
            }
            self.shown.lock().last_piece = Some(self.now());
        }
        self.answers = number;
        self.tell(Event::Sent { number, said });
        self.answers = 0;
        if is_piece {
            self.tools.figures.answered(came.elapsed());
        }
    }

    /// Tells the session how busy the service is, where that has changed much.
    fn load(&mut self) {
        let load = Load::of(self.tools.load());
        let known = self.session.as_ref().map_or(Load::NONE, Session::load);
        if load.permille().abs_diff(known.permille()) >= 100 {
            self.tell(Event::Load(load));
        }
    }

    fn step(&mut self, event: Event) -> Vec<Effect> {
        let now = self.now();
        let Some(session) = self.session.take() else { return Vec::new() };
        let (session, effects) = session.on(event, now);
        self.session = Some(session);
        effects
    }

    fn tell(&mut self, event: Event) {
        let effects = self.step(event);
        self.act(effects);
    }

    fn act(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.carry_out(effect);
        }
        if let Some(session) = &self.session {
            let mut shown = self.shown.lock();
            shown.glance = session.glance();
            shown.buffer_bytes = self.holding.bytes();
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Say { number, directive, is_again } => {
                let answers = if is_again { 0 } else { self.answers };
                let level = self.session.as_ref().map(|session| session.glance().level);
                if let (Some(carrier), Some(level)) = (&self.carrier, level) {
                    let said = reply::directive(number, &directive, is_again, answers, level);
                    carrier.out.say(said);
                    self.beat = Instant::now() + self.tools.desk.limits.heartbeat;
                }
            }
            Effect::Preserve { window, pieces } => self.preserve(window, pieces),
            Effect::LetGo { below } => self.holding.let_go(below),
            Effect::Keep(record) => self.keep(&record),
            Effect::Review { cause, priority } => self.note(What::Review { cause, priority }),
            Effect::Timed { is_cut, waited, .. } => {
                if is_cut {
                    self.tools.figures.cut(waited);
                }
            }
            Effect::Resumed { taken } => self.opened(taken),
            Effect::Refuse(fault) => self.refuse(reply::refuse(fault)),
            Effect::End(ending) => self.end(&ending),
        }
    }

    /// Ends the connection; the session goes on without one.
    fn refuse(&mut self, refusal: Refusal) {
        if let Some(carrier) = self.carrier.take() {
            carrier.out.refuse(refusal);
            carrier.over.cancel();
            self.tell(Event::Lost);
        }
    }

    fn end(&mut self, ending: &Ending) {
        if let Some(carrier) = self.carrier.take() {
            carrier.out.say_last(reply::ended(ending));
            carrier.over.cancel();
        }
    }

    fn note(&mut self, what: What) {
        let note = Box::new(Note { guarded: self.guarded.clone(), at: self.now(), what });
        let scope = self.scope.clone();
        drop(self.tools.ledger.put(Recorded::StreamNoted { scope, note }, None));
    }

    fn keep(&mut self, record: &Record) {
        if let Some(what) = What::of(record) {
            return self.note(what);
        }
        match *record {
            Record::Directed {
                number,
                directive: Directive::Interrupt { window, cause, is_lasting },
                level,
                ..
            } => {
                let (by, key) =
                    self.person.take().map_or((None, None), |(by, key)| (Some(by), key));
                let cut = Interrupt {
                    row: self.tools.desk.store.cut_row(&self.scope, &self.guarded.stream),
                    id: self.guarded.cut(number),
                    guarded: self.guarded.clone(),
                    directive: number,
                    from: window.from,
                    until: window.until,
                    cause,
                    is_lasting,
                    level,
                    at: self.now(),
                    by,
                };
                self.tools.figures.interrupted();
                {
                    let mut shown = self.shown.lock();
                    (shown.cut, shown.is_done) = (Some((cut.clone(), None)), false);
                }
                let answer = serde_json::to_vec(&cut).unwrap_or_default();
                let (scope, id, interrupt) = (self.scope.clone(), cut.id.clone(), Box::new(cut));
                let event = Recorded::StreamInterrupted { scope, interrupt };
                let number = self.tools.ledger.put(event, key.map(|key| (key, answer)));
                let (tell, told) = oneshot::channel();
                let shown = Arc::clone(&self.shown);
                tokio::spawn(async move {
                    let number = number.await.ok().flatten();
                    let mut shown = shown.lock();
                    if let Some((_, known)) = shown.cut.as_mut().filter(|(cut, _)| cut.id == id) {
                        *known = number;
                    }
                    let _ = tell.send(number);
                });
                self.told = Some(told);
            }
            Record::Acknowledged { number, waited } => {
                self.shown.lock().is_done = true;
                let done = Box::new(Done { id: self.guarded.cut(number), waited });
                let scope = self.scope.clone();
                drop(self.tools.ledger.put(Recorded::StreamCut { scope, done }, None));
            }
            _ => {}
        }
    }

    /// Writes what is held of a window where evidence is kept.
    fn preserve(&mut self, window: Window, pieces: Option<Pieces>) {
        let Some(pieces) = pieces else { return };
        let (found, unheld) = self.holding.within(window, pieces);
        let bytes = found.iter().map(|piece| piece.bytes.len() as u64).sum();
        let count = u32::try_from(found.len()).unwrap_or(u32::MAX);
        let (evidence, session) = (self.tools.evidence.clone(), self.guarded.session.clone());
        let before = self.writing.take();
        self.writing = Some(tokio::spawn(async move {
            // One after the other: each file is told of by itself, in what is told last.
            let (mut all, mut whole, mut missing) = (count, bytes, unheld);
            if let Some(before) = before
                && let Ok(What::Preserved { pieces, bytes, missing: lost }) = before.await
            {
                (all, whole, missing) = (all + pieces, whole + bytes, missing + lost);
            }
            let writing = tokio::task::spawn_blocking(move || evidence.preserve(&session, &found));
            let error = match writing.await {
                Ok(Ok(())) => return What::Preserved { pieces: all, bytes: whole, missing },
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            };
            tracing::error!(error, count, "what is evidence of a cut stream is not preserved");
            let (pieces, bytes) = (all - count, whole - bytes);
            What::Preserved { pieces, bytes, missing: missing + count }
        }));
    }
}

fn read_token(text: &str) -> Result<Token, Refusal> {
    let mut bytes = [0; 16];
    let read = hex::decode_to_slice(text, &mut bytes);
    read.map(|()| Token::new(bytes)).map_err(|_| Refusal::new(Reason::Internal, "no token"))
}

/// The next message of a connection; none where it is broken. Waits where there is no connection.
async fn next(carrier: &mut Option<Carrier>) -> Option<Work> {
    match carrier {
        Some(carrier) => carrier.works.recv().await,
        None => std::future::pending().await,
    }
}

/// What became of writing; waits where nothing is written.
async fn written(writing: &mut Option<JoinHandle<What>>) -> What {
    match writing {
        Some(handle) => handle.await.unwrap_or(What::Preserved { pieces: 0, bytes: 0, missing: 0 }),
        None => std::future::pending().await,
    }
}
