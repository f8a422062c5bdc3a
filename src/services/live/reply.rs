//! Answers about live streams, written from the core to the wire.

use crate::core::live::buffer::Window;
use crate::core::live::effect::{Directive, Ending, Why};
use crate::core::live::event::Fault;
use crate::core::live::kept::{Done, Interrupt};
use crate::core::live::policy::{Level, Terms};
use crate::core::live::risk::Cause;
use crate::core::live::session::Standing;
use crate::proto::v1;
use crate::proto::v1::guard_stream_response::Step;
use crate::proto::v1::stream_directive::Directive as Said;
use crate::services::live::parse::order;
use crate::services::live::shown::Shown;
use crate::services::status::{Reason, Refusal};
use crate::services::words::moment;
use std::time::Duration;

/// Writes how risky a stream is.
#[must_use]
pub const fn risk(level: Level) -> v1::StreamRisk {
    match level {
        Level::Quiet => v1::StreamRisk::Quiet,
        Level::Watch => v1::StreamRisk::Watch,
        Level::Elevated => v1::StreamRisk::Elevated,
        Level::Critical => v1::StreamRisk::Critical,
    }
}

const fn cause(cause: Cause) -> v1::StreamCause {
    match cause {
        Cause::Match => v1::StreamCause::Match,
        Cause::Rebroadcast => v1::StreamCause::Rebroadcast,
        Cause::Advice => v1::StreamCause::Advice,
        Cause::Score => v1::StreamCause::Score,
        Cause::Chat => v1::StreamCause::Chat,
        Cause::Viewers => v1::StreamCause::Viewers,
        Cause::Unexamined => v1::StreamCause::Unexamined,
        Cause::Shed => v1::StreamCause::Shed,
        Cause::Silence => v1::StreamCause::Silence,
        Cause::Lost => v1::StreamCause::Lost,
        Cause::Unheard => v1::StreamCause::Unheard,
        Cause::Person => v1::StreamCause::Person,
    }
}

const fn standing(standing: Standing) -> v1::StreamStanding {
    match standing {
        Standing::Opening => v1::StreamStanding::Opening,
        Standing::Guarding => v1::StreamStanding::Guarding,
        Standing::Muted => v1::StreamStanding::Muted,
        Standing::Blurred => v1::StreamStanding::Blurred,
        Standing::Paused => v1::StreamStanding::Paused,
        Standing::Silent => v1::StreamStanding::Silent,
        Standing::Unheard => v1::StreamStanding::Unheard,
        Standing::Lost => v1::StreamStanding::Lost,
        Standing::Interrupted => v1::StreamStanding::Interrupted,
        Standing::Cut => v1::StreamStanding::Cut,
        Standing::Ended => v1::StreamStanding::Ended,
    }
}

fn window(window: Window) -> v1::PreserveWindow {
    v1::PreserveWindow {
        start_time: Some(moment::timestamp(window.from)),
        end_time: Some(moment::timestamp(window.until)),
    }
}

/// Says that a stream is guarded.
#[must_use]
pub fn opened(token: &str, taken: u64, terms: &Terms, heartbeat: Duration) -> Step {
    Step::Opened(v1::StreamOpened {
        resume_token: token.to_owned(),
        acknowledged_number: taken,
        resume_window: Some(moment::span(terms.resume_max)),
        heartbeat_interval: Some(moment::span(heartbeat)),
        silence_limit: Some(moment::span(terms.silence_max)),
        ack_limit: Some(moment::span(terms.acknowledge_max)),
        chats_per_second_max: terms.chats_per_second_max,
    })
}

/// Says what to do.
#[must_use]
pub fn directive(
    number: u64,
    directive: &Directive,
    is_again: bool,
    answers: u64,
    level: Level,
) -> Step {
    let next = |interval: Duration| Some(moment::span(interval));
    let said = match *directive {
        Directive::Continue { interval, is_examined } => {
            let next_sample_interval = next(interval);
            Said::ContinuePlaying(v1::ContinueDirective {
                next_sample_interval,
                examined: is_examined,
            })
        }
        Directive::Mute { interval } => {
            Said::Mute(v1::MuteDirective { next_sample_interval: next(interval) })
        }
        Directive::Blur { interval } => {
            Said::Blur(v1::BlurDirective { next_sample_interval: next(interval) })
        }
        Directive::Pause { interval } => {
            Said::Pause(v1::PauseDirective { next_sample_interval: next(interval) })
        }
        Directive::Interrupt { window: preserved, cause: why, is_lasting } => {
            Said::Interrupt(interrupt_directive(preserved, why, is_lasting))
        }
        Directive::Escalate { cause: why } => {
            Said::Escalate(v1::EscalateDirective { cause: cause(why).into() })
        }
    };
    Step::Directive(v1::StreamDirective {
        number,
        repeated_directive: is_again,
        answers_number: answers,
        risk: risk(level).into(),
        directive: Some(said),
    })
}

fn interrupt_directive(preserved: Window, why: Cause, lasting: bool) -> v1::InterruptDirective {
    let preserve_window = Some(window(preserved));
    v1::InterruptDirective { preserve_window, cause: cause(why).into(), lasting }
}

/// Says that the call is alive.
#[must_use]
pub const fn heartbeat(taken: u64) -> Step {
    Step::Heartbeat(v1::StreamHeartbeat { acknowledged_number: taken })
}

/// Says that a session is over.
#[must_use]
pub fn ended(ending: &Ending) -> Step {
    let end = match ending.why {
        Why::Stopped => v1::StreamEnd::Stopped,
        Why::Lost(_) => v1::StreamEnd::Lost,
        Why::Cut { .. } => v1::StreamEnd::Cut,
    };
    Step::Ended(v1::StreamEnded {
        end: end.into(),
        clean: ending.is_clean(),
        sample_count: ending.pieces,
        unexamined_count: ending.unexamined,
        worst_risk: risk(ending.worst).into(),
    })
}

/// A session's fault in the contract's words.
#[must_use]
pub fn refuse(fault: Fault) -> Refusal {
    match fault {
        Fault::Gap { .. } | Fault::NotSaid { .. } => order(fault.to_string()),
        Fault::Token | Fault::NotResumed | Fault::Over => {
            Refusal::new(Reason::ResumeRefused, fault.to_string())
        }
    }
}

/// Writes a stream of a list.
#[must_use]
pub fn stream(shown: &Shown) -> v1::GuardedStream {
    let glance = &shown.glance;
    v1::GuardedStream {
        stream_id: shown.guarded.stream.to_string(),
        surface_id: shown.guarded.surface.to_string(),
        actor_id: shown.guarded.actor.as_ref().map(ToString::to_string).unwrap_or_default(),
        standing: standing(glance.standing).into(),
        risk: risk(glance.level).into(),
        start_time: Some(moment::timestamp(shown.started)),
        last_sample_time: shown.last_piece.map(moment::timestamp),
        sample_count: glance.pieces,
        unexamined_count: glance.unexamined,
        viewer_count: glance.viewers,
        buffer_bytes: shown.buffer_bytes,
        unacknowledged_count: u32::try_from(glance.waiting).unwrap_or(u32::MAX),
    }
}

/// Writes a stream that a person has cut; `is_done` where the platform has said so already.
#[must_use]
pub fn interrupted(
    cut: &Interrupt,
    number: Option<u64>,
    is_done: bool,
) -> v1::InterruptStreamResponse {
    let record = if number.is_some() { v1::Record::Kept } else { v1::Record::Pending };
    let stands = if is_done { Standing::Cut } else { Standing::Interrupted };
    v1::InterruptStreamResponse {
        standing: standing(stands).into(),
        interrupt_id: cut.id.clone(),
        preserve_window: Some(window(cut.window())),
        journal_number: number,
        record: record.into(),
    }
}

const fn told(event: v1::watch_interrupts_response::Event) -> v1::WatchInterruptsResponse {
    v1::WatchInterruptsResponse { event: Some(event) }
}

/// Tells of a stream that is to be cut.
#[must_use]
pub fn interrupt(cut: &Interrupt, cursor: String) -> v1::WatchInterruptsResponse {
    told(v1::watch_interrupts_response::Event::Interrupt(v1::StreamInterrupt {
        interrupt_id: cut.id.clone(),
        cursor,
        stream_id: cut.guarded.stream.to_string(),
        surface_id: cut.guarded.surface.to_string(),
        directive_number: cut.directive,
        directive: Some(interrupt_directive(cut.window(), cut.cause, cut.is_lasting)),
        decide_time: Some(moment::timestamp(cut.at)),
    }))
}

/// Tells of a cut that the platform has carried out.
#[must_use]
pub fn done(done: &Done, cursor: String) -> v1::WatchInterruptsResponse {
    told(v1::watch_interrupts_response::Event::Done(v1::StreamInterruptDone {
        interrupt_id: done.id.clone(),
        cursor,
        time_to_interrupt: Some(moment::span(done.waited)),
    }))
}

/// Says that a stream of cuts is alive.
#[must_use]
pub fn watching(cursor: String, every: Duration) -> v1::WatchInterruptsResponse {
    let heartbeat_interval = Some(moment::span(every));
    let heartbeat = v1::InterruptHeartbeat { cursor, heartbeat_interval };
    told(v1::watch_interrupts_response::Event::Heartbeat(heartbeat))
}
