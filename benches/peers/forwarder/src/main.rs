//! A forwarder as the `lambda-extension` crate's readme leads one to write it: every batch becomes one POST of JSON lines.

use lambda_extension::{Error, Extension, LambdaTelemetry, LambdaTelemetryRecord, SharedService, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = reqwest::Client::new();
    let endpoint = std::env::var("FORWARDER_ENDPOINT")?;
    let forward = SharedService::new(service_fn(move |events: Vec<LambdaTelemetry>| {
        let (client, endpoint) = (client.clone(), endpoint.clone());
        async move {
            let mut lines = Vec::new();
            for event in &events {
                if matches!(event.record, LambdaTelemetryRecord::Function(_)) {
                    serde_json::to_writer(&mut lines, event)?;
                    lines.push(b'\n');
                }
            }
            client.post(&endpoint).body(lines).send().await?.error_for_status()?;
            Ok::<(), Error>(())
        }
    }));
    Extension::new().with_telemetry_types(&["platform", "function"]).with_telemetry_processor(forward).run().await
}
