//! What the sample function does: one scene for each kind of output a function has.
//!
//! Plain data; nothing here does anything.

use crate::lambda::function::Invocation;
use std::time::Duration;

/// What the function prints while it is initialised.
pub(crate) const INIT: [&str; 1] = ["reading the price list"];

/// How long that takes.
pub(crate) const INIT_DURATION: Duration = Duration::from_millis(80);

/// How many lines the burst has.
const BURST: u32 = 400;

/// One invocation and what there is to see in it.
#[derive(Debug)]
pub(crate) struct Scene {
    /// What the function prints.
    pub(crate) title: &'static str,
    /// What to look at.
    pub(crate) note: &'static str,
    /// What the function does.
    pub(crate) invocation: Invocation,
}

/// The invocations, in order.
pub(crate) fn scenes() -> Vec<Scene> {
    let mut burst = Invocation::silent();
    for number in 1..=BURST {
        burst = burst.print(format!("order 4714: item {number} of {BURST} is in stock"));
    }
    vec![
        Scene {
            title: "plain lines, on a cold start",
            note: "brooklet lets Lambda freeze the environment once the receiver has the invocation's records.",
            invocation: Invocation::line("order 4711: received, 3 items")
                .works_ms(40)
                .print("order 4711: paid, 59.90 EUR"),
        },
        Scene {
            title: "a line of JSON",
            note: "Lambda writes its report on an invocation afterwards, so it comes with the next one.",
            invocation: Invocation::line(
                r#"{"level":"INFO","message":"order 4712: shipped","parcels":2}"#,
            )
            .works_ms(15),
        },
        Scene {
            title: "an error with its stack trace",
            note: "It has several lines and stays one record.",
            invocation: Invocation::line("order 4713: received, 1 item")
                .works_ms(15)
                .print(
                    "[ERROR] KeyError: 'sku'\nTraceback (most recent call last):\n  \
                     File \"/var/task/orders.py\", line 12, in handler\n    price = prices[item['sku']]",
                )
                .fails(),
        },
        Scene {
            title: "a burst of lines",
            note: "They travel together, in one compressed request.",
            invocation: burst,
        },
        Scene {
            title: "nothing",
            note: "A silent invocation has its start and its end all the same.",
            invocation: Invocation::silent().works_ms(20),
        },
    ]
}
