//! A model that fails gives a reason and no score.

use super::fake::{Answering, Fake, at_once, lengths, shares};
use super::{ask, start, texts, value};
use bulwark::core::detector::{Absent, Circuit, Fault, Unfit};
use bulwark::core::verdict::CheckState;
use bulwark::proto::inference::ModelInferResponse;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tonic::{Code, Status};

/// A model that never answers.
fn silent() -> Answering {
    Arc::new(|_| Box::pin(std::future::pending()))
}

/// Why there is no score after this answer.
async fn why(change: fn(&mut ModelInferResponse)) -> Absent {
    let fake = Fake::start(at_once(move |question| {
        let mut answer = lengths(&question);
        change(&mut answer);
        Ok(answer)
    }))
    .await;
    let models = start(&texts(&fake.address, "deadline = '5 s'"));
    ask(&models, "zz").await.expect_err("no score")
}

#[tokio::test]
async fn an_answer_that_is_not_believed_gives_a_reason_and_no_score() {
    let unreadable = Absent::Unreadable;
    assert_eq!(why(|answer| answer.outputs[0].shape = vec![2]).await, unreadable(Fault::Count));
    assert_eq!(why(|answer| answer.outputs[0].shape = vec![1, 9]).await, unreadable(Fault::Count));
    assert_eq!(
        why(|answer| answer.outputs[0].shape = vec![1, i64::MAX, i64::MAX]).await,
        unreadable(Fault::Sides)
    );
    assert_eq!(why(|answer| answer.outputs.clear()).await, unreadable(Fault::Missing));
    assert_eq!(
        why(|answer| answer.outputs[0].name = "other".into()).await,
        unreadable(Fault::Missing)
    );
    assert_eq!(
        why(|answer| answer.outputs[0].datatype = "INT8".into()).await,
        unreadable(Fault::Datatype)
    );
    assert_eq!(why(|answer| answer.model_name = "qq".into()).await, unreadable(Fault::OtherModel));
    assert_eq!(
        why(|answer| answer.raw_output_contents = vec![vec![0; 4].into(); 2]).await,
        unreadable(Fault::Packed)
    );
}

#[tokio::test]
async fn what_is_no_number_costs_its_own_item_the_score_and_no_other() {
    let fake = Fake::start(at_once(|question| {
        let mut answer = lengths(&question);
        let contents = answer.outputs[0].contents.as_mut().expect("there");
        for share in contents.fp32_contents.iter_mut().filter(|share| **share > 0.025) {
            *share = f32::NAN;
        }
        Ok(answer)
    }))
    .await;
    let models =
        start(&texts(&fake.address, "deadline = '5 s'\nbatch_wait = '200 ms'\nbatch_max = 2"));
    let (good, bad) = tokio::join!(ask(&models, "zz"), ask(&models, "zzz"));
    assert_eq!(value(&good), f64::from(0.02_f32));
    assert_eq!(bad, Err(Absent::Unreadable(Fault::NotFinite)));
    assert_eq!(fake.asked().len(), 1, "they went together");
}

#[tokio::test]
async fn an_answer_that_is_no_message_or_is_compressed_is_not_taken() {
    // A frame: whether it is compressed, how long it is, and then what should be a message.
    for frame in [b"\0\0\0\0\x03\xff\xff\xff".to_vec(), b"\x01\0\0\0\x02\x0a\0".to_vec()] {
        let fake = Fake::start_raw(frame).await;
        let models = start(&texts(&fake.address, "deadline = '5 s'"));
        assert_eq!(ask(&models, "zz").await, Err(Absent::Refused));
    }
    let cut = Fake::start_raw(b"\0\0\0\0\x09\x0a".to_vec()).await;
    let models = start(&texts(&cut.address, "deadline = '5 s'"));
    let said = ask(&models, "zz").await.expect_err("no score");
    assert!(matches!(said, Absent::Refused | Absent::Unreachable), "{said:?}");
}

#[tokio::test]
async fn a_flood_of_an_answer_is_not_read() {
    let fake = Fake::start(at_once(|question| Ok(shares(&question, vec![0.5; 1 << 20])))).await;
    let models = start(&texts(&fake.address, "deadline = '5 s'"));
    assert_eq!(ask(&models, "zz").await, Err(Absent::Unreadable(Fault::TooLong)));
}

#[tokio::test]
async fn a_slow_model_is_late_at_its_deadline_and_the_caller_may_have_less_time() {
    let fake = Fake::start(silent()).await;
    let models = start(&texts(&fake.address, "deadline = '300 ms'"));
    let began = Instant::now();
    let late = ask(&models, "zz").await.expect_err("no answer");
    assert_eq!((late, late.state()), (Absent::Late, CheckState::Deadline));
    let took = began.elapsed();
    assert!((300..1500).contains(&took.as_millis()), "{took:?}");
    let asked = fake.asked();
    let left = asked[0].head.get("grpc-timeout").expect("the server knows how long is waited");
    assert!(
        left.to_str().expect("text").ends_with('u') || left.to_str().expect("text").ends_with('n')
    );

    let end = Instant::now() + Duration::from_millis(20);
    let detector = bulwark::core::id::DetectorId::parse("zz-texts").expect("good");
    let sample = bulwark::core::detector::Sample::Text("zz");
    let began = Instant::now();
    assert_eq!(models.ask(&detector, &sample, end).await, Some(Err(Absent::Late)));
    assert!(began.elapsed() < Duration::from_millis(250), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_server_that_dies_in_the_middle_is_away_and_answers_when_it_is_back() {
    let fake = Fake::start(silent()).await;
    let port = fake.port;
    let more = "deadline = '10 s'\nbreaker_failures = 1000";
    let models = start(&texts(&fake.address, more));
    let asking = tokio::spawn({
        let models = models.clone();
        async move { ask(&models, "zz").await }
    });
    fake.until_asked(1).await;
    let began = Instant::now();
    drop(fake);
    assert_eq!(asking.await.expect("no panic"), Err(Absent::Unreachable));
    assert!(began.elapsed() < Duration::from_secs(5), "noticed by the line, not by the time");
    assert_eq!(ask(&models, "zz").await, Err(Absent::Unreachable), "nobody listens");

    let _back = Fake::start_on(at_once(|question| Ok(lengths(&question))), port).await;
    assert_eq!(value(&ask(&models, "zz").await), f64::from(0.02_f32));
}

#[tokio::test]
async fn one_more_item_than_may_wait_has_its_answer_at_once() {
    let fake = Fake::start(silent()).await;
    let more = "deadline = '2 s'\nbatch_max = 1\ncalls_max = 1\nwaiting_max = 2";
    let models = start(&texts(&fake.address, more));
    let one = || {
        let models = models.clone();
        tokio::spawn(async move { ask(&models, "zz").await })
    };
    let first = one();
    fake.until_asked(1).await;
    let waiting = [one(), one()];
    let offered = || {
        let (.., figures) = models.standing().next().expect("there is one");
        figures.items.load(Ordering::Relaxed)
    };
    while offered() < 3 {
        tokio::task::yield_now().await;
    }
    let began = Instant::now();
    let full = ask(&models, "zz").await.expect_err("no room");
    assert_eq!((full, full.state()), (Absent::Full, CheckState::Shed));
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    // Who hangs up makes room.
    for one in waiting {
        one.abort();
        assert!(one.await.expect_err("it has hung up").is_cancelled());
    }
    assert_eq!(ask(&models, "zz").await, Err(Absent::Late));
    assert_eq!(first.await.expect("no panic"), Err(Absent::Late));
}

#[tokio::test]
async fn a_model_that_fails_is_left_alone_and_then_tried_by_one_question() {
    let is_well = Arc::new(AtomicBool::new(false));
    let answering = {
        let is_well = Arc::clone(&is_well);
        at_once(move |question| match is_well.load(Ordering::SeqCst) {
            true => Ok(lengths(&question)),
            false => Err(Status::internal("zz")),
        })
    };
    let fake = Fake::start(answering).await;
    let more =
        "deadline = '5 s'\nbatch_wait = '0 ms'\nbreaker_failures = 3\nbreaker_pause = '300 ms'";
    let models = start(&texts(&fake.address, more));
    for _ in 0..3 {
        assert_eq!(ask(&models, "zz").await, Err(Absent::Refused));
    }
    for _ in 0..20 {
        assert_eq!(ask(&models, "zz").await, Err(Absent::LeftAlone));
    }
    assert_eq!(fake.asked().len(), 3, "it is left alone");
    is_well.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(310)).await;
    assert!(ask(&models, "zz").await.is_ok());
    let standing: Vec<_> = models.standing().collect();
    let (_, circuit, figures) = &standing[0];
    assert_eq!(*circuit, Circuit::Closed);
    let counted: Vec<_> = figures.absent().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counted, [("refused", 3), ("left_alone", 20)]);
    let counts = [&figures.items, &figures.questions, &figures.scored, &figures.opened];
    assert_eq!(counts.map(|count| count.load(Ordering::Relaxed)), [24, 4, 1, 1]);
}

#[tokio::test]
async fn items_that_a_model_does_not_take_do_not_close_it_to_others() {
    let fake =
        Fake::start(at_once(|question| match super::fake::texts_of(&question)[0].as_str() {
            "bad" => Err(Status::invalid_argument("zz")),
            _ => Ok(lengths(&question)),
        }))
        .await;
    let more = "deadline = '5 s'\nbatch_wait = '0 ms'\nbreaker_failures = 1";
    let models = start(&texts(&fake.address, more));
    for _ in 0..10 {
        assert_eq!(ask(&models, "bad").await, Err(Absent::Refused));
        assert!(ask(&models, "good").await.is_ok());
    }
}

#[tokio::test]
async fn callers_who_have_little_time_do_not_close_a_model_to_others() {
    let fake = Fake::start(Arc::new(|question| {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(lengths(&question))
        })
    }))
    .await;
    let more = "deadline = '5 s'\nbatch_wait = '0 ms'\nbreaker_failures = 1";
    let models = start(&texts(&fake.address, more));
    let detector = bulwark::core::id::DetectorId::parse("zz-texts").expect("good");
    for _ in 0..5 {
        let end = Instant::now() + Duration::from_millis(20);
        let sample = bulwark::core::detector::Sample::Text("zz");
        assert_eq!(models.ask(&detector, &sample, end).await, Some(Err(Absent::Late)));
    }
    assert!(ask(&models, "zz").await.is_ok());
}

#[tokio::test]
async fn each_refusal_of_a_server_has_its_reason() {
    for (code, absent) in [
        (Code::NotFound, Absent::Refused),
        (Code::Unimplemented, Absent::Refused),
        (Code::PermissionDenied, Absent::Refused),
        (Code::ResourceExhausted, Absent::Refused),
        (Code::Unavailable, Absent::Unreachable),
        (Code::DeadlineExceeded, Absent::Late),
        (Code::Cancelled, Absent::Late),
    ] {
        let fake = Fake::start(at_once(move |_| Err(Status::new(code, "zz")))).await;
        let models = start(&texts(&fake.address, "deadline = '5 s'"));
        assert_eq!(ask(&models, "zz").await, Err(absent), "{code:?}");
    }
}

#[tokio::test]
async fn an_item_that_the_model_does_not_read_is_not_sent() {
    let fake = Fake::start(at_once(|question| Ok(lengths(&question)))).await;
    let models = start(&texts(&fake.address, "deadline = '5 s'"));
    let long = ask(&models, &"z".repeat(65)).await.expect_err("too long");
    assert_eq!((long, long.state()), (Absent::Unfit(Unfit::TooLong), CheckState::TooLarge));
    assert_eq!(ask(&models, "").await, Err(Absent::Unfit(Unfit::Empty)));
    assert!(fake.asked().is_empty());
}
