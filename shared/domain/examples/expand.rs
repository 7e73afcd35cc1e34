//! Prints the CPU time that a week of 200 series costs, and what the worst single rules cost:
//! `cargo run --release -p domain --example expand`. It asks the scheduler of Linux, so a busy machine does not matter.

use std::error::Error;
use std::hint::black_box;
use std::time::Duration;

use domain::{EventTime, Pattern, Recurrence, Refusal, Slot, Zone};

/// What people have in their calendars: start, zone, rule.
const TYPICAL: [(&str, &str, &str); 8] = [
    ("2024-01-02T09:00:00+01:00", "Europe/Berlin", "RRULE:FREQ=DAILY"),
    ("2024-01-02T09:30:00-05:00", "America/New_York", "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
    ("2025-03-05T14:00:00+01:00", "Europe/Berlin", "RRULE:FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=WE"),
    ("2023-05-09T18:00:00-04:00", "America/New_York", "RRULE:FREQ=MONTHLY;BYDAY=2TU"),
    ("1988-11-17", "Europe/Berlin", "RRULE:FREQ=YEARLY"),
    ("2024-02-29T12:00:00+05:30", "Asia/Kolkata", "RRULE:FREQ=MONTHLY;BYMONTHDAY=-1"),
    ("2026-01-05", "Europe/Berlin", "RRULE:FREQ=WEEKLY;UNTIL=20281231"),
    ("2020-06-01T08:00:00+02:00", "Europe/Berlin", "RRULE:FREQ=DAILY;INTERVAL=3"),
];

/// Rules that make an implementation search. `|` parts lines.
const WORST: [&str; 17] = [
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=YEARLY;INTERVAL=65535",
    "FREQ=DAILY;INTERVAL=65535",
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO;INTERVAL=7",
    "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=31;BYDAY=MO",
    "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=5",
    "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6",
    "FREQ=YEARLY;BYYEARDAY=366;BYMONTH=1",
    "FREQ=DAILY;COUNT=4000000000",
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;COUNT=4000000000",
    "FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23;COUNT=4000000000",
    "FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=0,6,12,18;BYSETPOS=1,-1,366,-366;UNTIL=99991231T000000Z",
    "FREQ=DAILY;BYDAY=MO;INTERVAL=7;UNTIL=99991231T000000Z",
    "FREQ=DAILY;BYMONTHDAY=31;BYDAY=TU;INTERVAL=7",
    "FREQ=DAILY|EXRULE:FREQ=DAILY",
    "FREQ=DAILY;UNTIL=99991231T000000Z|EXRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA,SU",
];

/// The occurrences that a list without a window holds.
const LISTED: usize = 730;

fn slot(text: &str) -> Result<Slot, Refusal> {
    Slot::of(&text.parse()?).ok_or_else(|| Refusal::field("date", "lies before 1900"))
}

/// The CPU time that this thread has used. To give up the processor brings the scheduler's books up to date.
fn cpu() -> Result<Duration, Box<dyn Error>> {
    std::thread::yield_now();
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = counted.split_whitespace().next().unwrap_or_default();
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}

/// The CPU time of one piece of work, which is done as often as it takes to measure it.
fn cost<T>(mut work: impl FnMut() -> T) -> Result<Duration, Box<dyn Error>> {
    let mut times = 1;
    loop {
        let started = cpu()?;
        (0..times).for_each(|_| drop(black_box(work())));
        let used = cpu()?.saturating_sub(started);
        if used > Duration::from_millis(30) {
            return Ok(used / times);
        }
        times *= 4;
    }
}

fn week() -> Result<(), Box<dyn Error>> {
    let series: Vec<(EventTime, Zone, Recurrence)> = (0..200)
        .map(|index| {
            let (start, zone, rule) = TYPICAL[index % TYPICAL.len()];
            Ok((start.parse()?, zone.parse()?, Recurrence::parse(&[rule.to_owned()])?))
        })
        .collect::<Result<_, Refusal>>()?;
    for (name, day, from, to) in [
        ("this week", "2026-11-15", "2026-11-15T00:00:00Z", "2026-11-22T00:00:00Z"),
        ("a week in 2900", "2900-11-15", "2900-11-15T00:00:00Z", "2900-11-22T00:00:00Z"),
    ] {
        let (date, last_date) = (slot(day)?, slot(&day.replace("15", "21"))?);
        let (from, to) = (slot(from)?, slot(to)?);
        let expand = || -> usize {
            series
                .iter()
                .map(|(start, zone, recurrence)| {
                    let pattern = Pattern::new(start, *zone, recurrence);
                    if start.is_date() { pattern.slots(date, last_date) } else { pattern.slots(from, to) }
                        .len()
                })
                .sum()
        };
        let slots = expand();
        println!("200 series, {name}: {slots} slots, {:?}", cost(expand)?);
    }
    for (start, zone, rule) in TYPICAL {
        let (start, zone, lines): (EventTime, Zone, _) = (start.parse()?, zone.parse()?, [rule.to_owned()]);
        let recurrence = Recurrence::parse(&lines)?;
        let pattern = Pattern::new(&start, zone, &recurrence);
        let (from, to) = if start.is_date() {
            (slot("2026-11-15")?, slot("2026-11-21")?)
        } else {
            (slot("2026-11-15T00:00:00Z")?, slot("2026-11-22T00:00:00Z")?)
        };
        let read = cost(|| Recurrence::parse(&lines))?;
        println!("{:>9.1?} (and {read:.1?} to read it)  {rule}", cost(|| pattern.slots(from, to))?);
    }
    Ok(())
}

fn worst() -> Result<(), Box<dyn Error>> {
    println!(
        "what can be asked of each rule (first, last, a slot in 2026, split in 2026, a list of all), of each rule:"
    );
    let start: EventTime = "2001-01-01T09:00:00Z".parse()?;
    let cut = slot("2026-11-20T09:00:00Z")?;
    let (earliest, latest) = Slot::ends(false);
    for rule in WORST {
        let recurrence = Recurrence::parse(&rule.split('|').map(str::to_owned).collect::<Vec<_>>())?;
        let pattern = Pattern::new(&start, Zone::Named(chrono_tz::UTC), &recurrence);
        // A series that is stored knows its last slot; first and last are asked when it is made.
        let known = Pattern { last: pattern.last(), ..pattern };
        let costs = [
            cost(|| pattern.first())?,
            cost(|| pattern.last())?,
            cost(|| known.slots(cut, cut))?,
            cost(|| known.before(cut))?,
            cost(|| known.from(cut))?,
            cost(|| known.first_slots(earliest, latest, LISTED))?,
        ];
        println!("{costs:>9.1?}  {rule}");
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    week()?;
    worst()
}
