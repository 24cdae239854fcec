//! What was measured to tables of text, with the ratios that can be compared between machines.

use crate::bytes;
use crate::compile::Took;
use crate::decoded;
use crate::engine::Engine;
use crate::kernel::{Cost, SocketCost};
use crate::sets;
use crate::work::Regime;
use dtq_workload::measure::Measured;

/// Prints how long compiling takes.
pub fn print_compile(took: &[Took]) {
    println!("{:60} {:>12} {:>12}", "microseconds", "first", "best");
    for Took { name, first_ns, best_ns } in took {
        println!("{name:60} {:12.1} {:12.1}", first_ns / 1e3, best_ns / 1e3);
    }
}

/// Prints what records cost in each regime, and ratios.
pub fn print_records(regimes: &[(Regime, f64, Vec<Measured>)]) {
    let columns = |of: &dyn Fn(&(Regime, f64, Vec<Measured>)) -> String| -> String {
        regimes.iter().map(|regime| format!(" {:>10}", of(regime))).collect()
    };
    println!("\n{:44}{}", "nanoseconds a record", columns(&|(regime, ..)| regime.name().to_owned()));
    println!("{:44}{}", "(bytes a record)", columns(&|(_, size, _)| format!("{size:.1}")));
    let Some((_, _, first)) = regimes.first() else { return };
    for case in first {
        println!(
            "{:44}{}",
            case.name,
            columns(&|(_, _, all)| format!("{:.2}", ns(all, &case.name).unwrap_or(f64::NAN)))
        );
    }
    println!("\n{:44}{}", "ratios", columns(&|(regime, ..)| regime.name().to_owned()));
    for (name, over, under) in ratios() {
        let ratio = |all: &[Measured]| Some(ns(all, &over)? / ns(all, &under)?);
        if ratio(first).is_some() {
            println!("{name:44}{}", columns(&|(_, _, all)| format!("{:.2}", ratio(all).unwrap_or(f64::NAN))));
        }
    }
}

fn ns(all: &[Measured], name: &str) -> Option<f64> {
    all.iter().find(|case| case.name == name).map(|case| case.ns)
}

/// Returns the ratios: a name, and the names of the cases over and under the line.
fn ratios() -> Vec<(String, String, String)> {
    let mut ratios = Vec::new();
    for engine in Engine::ALL {
        let who = engine.who();
        for (question, hand) in
            [("F1", "hand"), ("F2", "hand"), ("F3", "hand"), ("F4", "hand"), ("T1", "hand"), ("F5", "hand, loop")]
        {
            ratios.push((
                format!("decoded {question}: {who} / {hand}"),
                decoded::name(question, &who),
                decoded::name(question, hand),
            ));
        }
        for question in ["keep all", "F1", "F2", "F3", "T1", "F5"] {
            ratios.push((
                format!("bytes {question}: {who} / hand"),
                bytes::name(question, &who),
                bytes::name(question, "hand"),
            ));
        }
        for question in ["F2", "F3"] {
            ratios.push((
                format!("bytes {question}: prost / {who}"),
                bytes::name(question, "prost"),
                bytes::name(question, &who),
            ));
        }
        ratios.push((format!("bytes: {who} T1 / hand F2"), bytes::name("T1", &who), bytes::name("F2", "hand")));
        ratios.push((format!("bytes: {who} F5 / F3"), bytes::name("F5", &who), bytes::name("F3", &who)));
        ratios.push((
            format!("bytes: {who} settled / walk records"),
            bytes::name("settled by resource", &who),
            bytes::name("limit", "walk records"),
        ));
    }
    ratios
}

/// Prints what records cost with more and more rules.
pub fn print_sets(measured: &[Measured]) {
    println!("\n{:44} {:>10} {:>12}", "nanoseconds a record", "", "of 50 rules");
    for case in measured {
        let engine = Engine::ALL.into_iter().find(|engine| case.name.ends_with(&engine.who()));
        let base_name = match case.name.contains("over slots") {
            true => sets::slots_name,
            false => sets::name,
        };
        let base = engine.and_then(|engine| ns(measured, &base_name(sets::SIZES[0], engine))).unwrap_or(f64::NAN);
        println!("{:44} {:10.1} {:11.2}x", case.name, case.ns, case.ns / base);
    }
}

/// Prints what filters cost in the kernel, also as a ratio to the filter that only loads the payload.
pub fn print_kernel(costs: &[Cost]) {
    println!(
        "\n{:44} {:>8} {:>8} {:>10} {:>10} {:>10}",
        "nanoseconds a run", "bytes", "all", "over base", "x load", "x strnstr"
    );
    let find = |name: &str| costs.iter().find(|cost| cost.name == name);
    let over = |cost: &Cost| Some(f64::from(cost.ns) - f64::from(find(cost.base.as_ref()?)?.ns));
    for cost in costs {
        // Through a filter that reads the same, to the one that only loads.
        let mut load = cost;
        while let Some(base) = load.base.as_deref().and_then(find) {
            load = base;
        }
        let strnstr = cost.name.split_once(": ").zip(cost.name.rsplit_once(", "));
        let strnstr = strnstr.and_then(|((what, _), (_, how))| find(&format!("{what}: bpf_strnstr, {how}")));
        let faster = strnstr.and_then(|strnstr| Some(over(strnstr)? / over(cost)?.max(1.0)));
        println!(
            "{:44} {:8} {:8} {:>10} {:10.2} {:>10}",
            cost.name,
            cost.size,
            cost.ns,
            over(cost).map(|ns| format!("{ns:.0}")).unwrap_or_default(),
            f64::from(cost.ns) / f64::from(load.ns.max(1)),
            faster.map(|ratio| format!("{ratio:.1}")).unwrap_or_default(),
        );
    }
}

/// Prints what messages through sockets cost, and ratios to dropping in user space.
pub fn print_sockets(costs: &[SocketCost]) {
    let both = |cost: &SocketCost| cost.sender_ns + cost.receiver_ns;
    let alike = |one: &SocketCost, other: &SocketCost| (one.sharing, one.socket) == (other.sharing, other.socket);
    let by = |cost: &SocketCost, who: &str| {
        let base = costs.iter().find(|other| alike(cost, other) && other.who == who);
        both(cost) / base.map_or(f64::NAN, both)
    };
    for (at, cost) in costs.iter().enumerate() {
        if at == 0 || costs[at - 1].sharing != cost.sharing {
            let title = format!("CPU nanoseconds a message, {}", cost.sharing);
            println!("\n{title:46} {:>8} {:>8} {:>8} {:>10} {:>10}", "sender", "receiver", "both", "x prefix", "x rules");
        }
        println!(
            "{:46} {:8.0} {:8.0} {:8.0} {:10.2} {:10.2}",
            format!("{}: {}", cost.socket, cost.who),
            cost.sender_ns,
            cost.receiver_ns,
            both(cost),
            by(cost, "dropped by a prefix"),
            by(cost, "dropped by the rules"),
        );
    }
}
