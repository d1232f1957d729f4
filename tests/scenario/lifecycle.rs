//! From exec to exit: how the extension registers, subscribes, asks for events and leaves.

use crate::harness::{PATIENCE, Scenario};
use crate::lambda::function::Invocation;
use crate::lambda::process::Exit;
use crate::lambda::setup::{Call, Fault, InitializationType, Manners};
use crate::lambda::{InitFailure, api};
use crate::model;
use crate::sink::Sink;
use crate::sink::proxy::Proxy;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// The paths called, in order.
fn paths(run: &crate::harness::Run) -> Vec<String> {
    run.lambda
        .calls()
        .into_iter()
        .map(|call| call.path)
        .collect()
}

/// The `schemaVersion` of every subscription, with its path.
fn subscriptions(run: &crate::harness::Run) -> Vec<(String, String)> {
    run.lambda
        .calls()
        .into_iter()
        .filter(|call| call.method == "PUT")
        .map(|call| {
            (
                call.path.clone(),
                call.json()["schemaVersion"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            )
        })
        .collect()
}

#[test]
fn it_registers_then_subscribes_then_asks() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).start();
    let calls = run.lambda.calls();
    assert_eq!(paths(&run), [api::REGISTER, api::TELEMETRY, api::NEXT]);
    let (register, subscribe, next) = (&calls[0], &calls[1], &calls[2]);
    assert_eq!(register.method, "POST");
    assert_eq!(register.header("Lambda-Extension-Name"), Some("brooklet"));
    assert_eq!(
        register.header("Lambda-Extension-Accept-Feature"),
        Some("accountId")
    );
    assert_eq!(
        register.json(),
        serde_json::json!({"events": ["INVOKE", "SHUTDOWN"]})
    );
    assert_eq!(subscribe.method, "PUT");
    let body = subscribe.json();
    assert_eq!(body["schemaVersion"], "2025-01-29");
    assert_eq!(body["types"], serde_json::json!(["platform", "function"]));
    assert_eq!(body["buffering"]["timeoutMs"], 25);
    assert!(
        body["buffering"]["maxItems"].is_u64() && body["buffering"]["maxBytes"].is_u64(),
        "{body}"
    );
    assert_eq!(body["destination"]["protocol"], "HTTP");
    assert_eq!(next.method, "GET");
    assert!(next.header("Lambda-Extension-Identifier").is_some());
    assert!(
        run.lambda
            .extension(|extension| extension.listened_when_subscribing),
        "the listener comes first"
    );
    run.finish();
}

#[test]
fn one_connection_carries_every_call() {
    for manners in [
        Manners::default(),
        Manners {
            lower_case: true,
            chunked: true,
            untyped: true,
            close: false,
        },
    ] {
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink)
            .lambda(|setup| setup.manners = manners)
            .start();
        for _ in 0..3 {
            run.invoke(&Invocation::line("hello"));
        }
        run.finish_conserved(&sink);
        let connections: Vec<u64> = run
            .lambda
            .calls()
            .iter()
            .map(|call| call.connection)
            .collect();
        assert!(
            connections.iter().all(|one| *one == 1),
            "{connections:?} with {manners:?}"
        );
    }
}

#[test]
fn an_api_that_closes_every_connection_is_called_again() {
    let sink = Sink::ok();
    let manners = Manners {
        close: true,
        ..Manners::default()
    };
    let mut run = Scenario::with(&sink)
        .lambda(|setup| setup.manners = manners)
        .start();
    run.invoke(&Invocation::lines(2));
    run.finish_conserved(&sink);
}

#[test]
fn the_name_is_that_of_the_file_lambda_launched() {
    for scenario in [
        Scenario::bare().in_layer("brooklet"),
        Scenario::bare().named("brooklet"),
    ] {
        let mut run = scenario.start();
        assert_eq!(
            run.lambda.extension(|extension| extension.name.clone()),
            "brooklet"
        );
        run.finish();
    }
    for scenario in [
        Scenario::bare().in_layer("zz-logs"),
        Scenario::bare().named("zz-logs"),
    ] {
        let mut run = scenario.start();
        assert_eq!(
            run.lambda.extension(|extension| extension.name.clone()),
            "zz-logs"
        );
        run.finish();
    }
}

#[test]
fn the_layer_ships_logs() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).in_layer("brooklet").start();
    run.invoke(&Invocation::lines(3));
    run.finish_conserved(&sink);
}

#[test]
fn every_way_to_come_to_be_works() {
    for how in [
        InitializationType::OnDemand,
        InitializationType::ProvisionedConcurrency,
        InitializationType::SnapStart,
    ] {
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink).initialized(how).start();
        run.invoke(&Invocation::lines(2));
        run.invoke(&Invocation::lines(2));
        assert_eq!(
            run.lambda.calls_to(api::REGISTER)[0].json()["events"],
            serde_json::json!(["INVOKE", "SHUTDOWN"])
        );
        run.finish_conserved(&sink);
    }
}

#[test]
fn a_managed_instance_is_asked_for_shutdown_alone() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).managed().start();
    assert_eq!(
        run.lambda.calls_to(api::REGISTER)[0].json(),
        serde_json::json!({"events": ["SHUTDOWN"]})
    );
    assert_eq!(
        subscriptions(&run),
        [(api::TELEMETRY.to_owned(), "2025-01-29".to_owned())]
    );
    run.lambda
        .invoke_together(&[Invocation::line("one"), Invocation::line("two")]);
    run.finish_conserved(&sink);
}

#[test]
fn an_old_platform_is_subscribed_to_with_what_it_has() {
    let new = "2025-01-29";
    let old = "2022-12-13";
    let tried = |list: &[(&str, &str)]| -> Vec<(String, String)> {
        list.iter()
            .map(|(path, schema)| ((*path).to_owned(), (*schema).to_owned()))
            .collect()
    };
    for status in [400, 404] {
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink)
            .fault(Fault::always(Call::TelemetrySchema(new), status))
            .start();
        assert_eq!(
            subscriptions(&run),
            tried(&[(api::TELEMETRY, new), (api::TELEMETRY, old)])
        );
        run.invoke(&Invocation::lines(3));
        run.finish_conserved(&sink);

        let sink = Sink::ok();
        let mut run = Scenario::with(&sink)
            .fault(Fault::always(Call::Telemetry, status))
            .json_logs()
            .start();
        let all = subscriptions(&run);
        assert_eq!(
            all.last(),
            tried(&[(api::LOGS, "2021-03-18")]).last(),
            "{all:?}"
        );
        run.invoke(&Invocation::line(r#"{"a":1}"#));
        run.invoke(&Invocation::line("plain").fails());
        run.finish_conserved(&sink);
        assert!(
            model::records(&sink)
                .iter()
                .any(|record| record.kind == "platform.end")
        );
    }
}

#[test]
fn a_platform_without_telemetry_is_told_once_and_lived_with() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .fault(Fault::always(Call::Telemetry, 202))
        .fault(Fault::always(Call::Logs, 202))
        .alone()
        .start();
    for _ in 0..3 {
        // Nothing can arrive, so nothing may be waited for.
        let report = run.invoke(&Invocation::line("unseen"));
        assert!(report.hold < Duration::from_millis(20), "{:?}", report.hold);
    }
    run.finish();
    assert_eq!(run.stderr().len(), 1, "{}", run.printed());
    assert!(
        run.stderr()[0].contains("not supported"),
        "{}",
        run.printed()
    );
}

#[test]
fn a_refused_subscription_is_told_once_and_lived_with() {
    for status in [403, 500] {
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink)
            .fault(Fault::always(Call::Telemetry, status))
            .fault(Fault::always(Call::Logs, status))
            .start();
        for _ in 0..2 {
            let report = run.invoke(&Invocation::line("unseen"));
            assert!(
                report.hold < Duration::from_millis(500),
                "{:?}",
                report.hold
            );
        }
        run.finish();
        let told = run
            .stderr()
            .iter()
            .filter(|line| line.contains(&status.to_string()))
            .count();
        assert_eq!(told, 1, "{}", run.printed());
    }
}

#[test]
fn the_api_can_be_pinned() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).option("API", "logs").start();
    assert_eq!(
        subscriptions(&run),
        [(api::LOGS.to_owned(), "2021-03-18".to_owned())]
    );
    run.invoke(&Invocation::lines(2));
    run.finish_conserved(&sink);

    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("API", "telemetry")
        .fault(Fault::always(Call::Telemetry, 404))
        .start();
    assert!(
        subscriptions(&run)
            .iter()
            .all(|(path, _)| path == api::TELEMETRY),
        "{:?}",
        subscriptions(&run)
    );
    run.invoke(&Invocation::silent());
    run.finish();
}

#[test]
fn the_api_s_address_may_carry_a_path() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .lambda(|setup| {
            setup.path_prefix = "/.rt".to_owned();
            setup.extra_register_fields = true;
        })
        .start();
    run.invoke(&Invocation::lines(2));
    run.finish_conserved(&sink);
}

#[test]
fn next_has_no_timeout() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).unfrozen().start();
    run.invoke(&Invocation::line("before"));
    assert!(
        run.lambda.stays_in_next(Duration::from_secs(6)),
        "{}",
        run.printed()
    );
    run.invoke(&Invocation::line("after"));
    run.finish_conserved(&sink);
}

#[test]
fn proxies_of_the_environment_are_never_used_for_the_api() {
    let (sink, proxy) = (Sink::ok(), Proxy::start());
    let mut scenario = Scenario::with(&sink);
    for name in [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        scenario = scenario.env(name, &proxy.url());
    }
    let mut run = scenario.start();
    run.invoke(&Invocation::lines(2));
    run.finish_conserved(&sink);
    assert_eq!(proxy.asked(), []);
}

#[test]
fn shutdown_drains_the_last_report() {
    for late in [5, 40, 150] {
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink)
            .lambda(|setup| setup.last_delivery = Duration::from_millis(late))
            .start();
        let report = run.invoke(&Invocation::line("hello"));
        let ended = run.shutdown();
        assert!(
            ended.took < Duration::from_millis(1_500),
            "{:?}",
            ended.took
        );
        run.finish_conserved(&sink);
        let records = model::records(&sink);
        let last = records
            .iter()
            .find(|record| record.kind == "platform.report");
        assert!(
            last.is_some_and(|record| record.says().contains(&report.request_id)),
            "{late} ms late"
        );
    }
}

#[test]
fn shutdown_is_kept_short_where_the_runtime_took_its_share() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .lambda(|setup| {
            setup.shutdown_limit = Duration::from_millis(700);
            setup.runtime_exit = Duration::from_millis(300);
        })
        .start();
    run.invoke(&Invocation::lines(5));
    run.finish();
}

#[test]
fn an_environment_that_is_reset_loses_nothing() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .lambda(|setup| setup.timeout = Duration::from_millis(500))
        .start();
    run.invoke(&Invocation::line("well"));
    run.invoke(&Invocation::line("before the crash").crashes());
    run.invoke(&Invocation::line("before the timeout").times_out());
    run.invoke(&Invocation::line("well again"));
    run.finish_conserved(&sink);
    assert_eq!(run.lambda.calls_to(api::REGISTER).len(), 3);
}

#[test]
fn records_say_where_they_come_from() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("TAGS", "team=payments,stage=test")
        .lambda(|setup| setup.tenant = Some("BlueTenant".to_owned()))
        .start();
    let first = run.invoke(&Invocation::line("one"));
    let second = run.invoke(&Invocation::line("two"));
    run.finish_conserved(&sink);
    let records = model::records(&sink);
    let lines: Vec<_> = records
        .iter()
        .filter(|record| record.kind == "function")
        .collect();
    assert_eq!(lines.len(), 2);
    for (line, report) in lines.iter().zip([&first, &second]) {
        assert_eq!(line.text("request_id"), Some(report.request_id.as_str()));
        assert_eq!(line.text("tenant_id"), Some("BlueTenant"));
        assert!(
            line.text("trace_id")
                .is_some_and(|id| id.contains("1-5f35ae12-0c0fec141ab77a00bc047aa2")),
            "{line:?}"
        );
        assert_eq!(line.text("function_name"), Some("orders"));
        assert_eq!(line.text("function_version"), Some("$LATEST"));
        assert_eq!(
            line.text("function_arn"),
            Some(run.lambda.setup().arn().as_str())
        );
        assert_eq!(line.text("region"), Some("eu-central-1"));
        assert_eq!(line.text("account_id"), Some("123456789012"));
        assert_eq!(line.function_memory_mb, Some(128));
        let tags = line.tags.as_ref().unwrap();
        assert_eq!(
            tags.iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>(),
            ["stage=test", "team=payments"]
        );
    }
    assert_eq!(lines[0].cold_start, Some(true));
    assert_ne!(lines[1].cold_start, Some(true));
}

#[test]
fn what_the_platform_does_not_tell_is_left_out() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .lambda(|setup| {
            setup.tracing = false;
            setup.account_id = None;
        })
        .start();
    run.invoke(&Invocation::line("one"));
    run.finish_conserved(&sink);
    for record in model::records(&sink) {
        assert_eq!(record.text("trace_id"), None);
        assert_eq!(record.text("tenant_id"), None);
        assert_eq!(record.tags, None);
    }
}

#[test]
fn a_refused_registration_is_told_and_ends_the_process() {
    for status in [403, 500] {
        let (mut run, failure) = Scenario::bare()
            .fault(Fault::always(Call::Register, status))
            .start_failing();
        assert!(
            matches!(failure, InitFailure::Exited(Exit::Code(code)) if code != 0),
            "{failure:?}"
        );
        assert!(run.lambda.wait_exit(PATIENCE).is_some());
        let told = run
            .stderr()
            .iter()
            .filter(|line| line.contains(&status.to_string()))
            .count();
        assert_eq!(told, 1, "{}", run.printed());
        run.no_harm_so_far();
        run.lambda.kill();
    }
}

#[test]
fn events_are_asked_for_soon_after_exec() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).alone().start();
    let init = run.init().clone();
    // A bound that catches a sleep or a timeout in the way; the real measure is a bench.
    assert!(init.to_next < Duration::from_millis(100), "{init:?}");
    run.finish();
}

#[test]
fn between_invocations_the_process_is_stopped_and_answers_nobody() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).start();
    assert!(!run.lambda.states().contains(&'T'));
    for _ in 0..2 {
        run.invoke(&Invocation::lines(2));
        let states = run.lambda.states();
        assert!(states.len() > 1, "{states:?}");
        assert!(states.iter().all(|state| *state == 'T'), "{states:?}");
        let cpu = run.lambda.vitals().cpu_ms;
        let mut sender = run.lambda.sender();
        let (out, answered) = channel();
        std::thread::spawn(move || {
            let answer = sender.post("POST", "/", b"[]");
            // The test may have failed and gone.
            let _nobody_waits = out.send(answer.map(|answer| answer.status));
        });
        assert_eq!(
            answered.recv_timeout(Duration::from_millis(150)).err(),
            Some(RecvTimeoutError::Timeout)
        );
        assert_eq!(run.lambda.vitals().cpu_ms, cpu);
        run.lambda.thaw();
        assert!(!run.lambda.states().contains(&'T'));
        let status = answered.recv_timeout(PATIENCE).unwrap().unwrap();
        assert_eq!(status, 200, "thawed, it takes what waited");
    }
    run.finish_conserved(&sink);
}

#[test]
fn the_process_stands_still_between_invocations_and_loses_nothing() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).start();
    for number in 0..20 {
        run.invoke(&Invocation::lines(number % 4));
    }
    run.finish_conserved(&sink);
    let frozen = run.lambda.frozen();
    assert_eq!(frozen.len(), 20);
    assert!(frozen.iter().all(|(_, end)| end.is_some()));
    assert_eq!(run.reports().len(), 20);
}
