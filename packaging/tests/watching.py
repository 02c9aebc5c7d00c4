#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whether the alert rules, their pages and the dashboard are right, with a real Prometheus and real servers.

    BERTH=…/berth packaging/tests/watching.py
"""
import json
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
import urllib.parse

from servers import PATIENCE, ROOT, Server, eventually, free_port, get

RULES = ROOT / "packaging/prometheus/berth.rules.yml"
RULE_TESTS = ROOT / "packaging/prometheus/berth.test.yml"
DASHBOARD = ROOT / "packaging/grafana/berth.json"
RUNBOOKS = ROOT / "docs/runbooks"
ALERTS = re.findall(r"alert: (\w+)", RULES.read_text())


def promtool(*words):
    done = subprocess.run(["promtool", *words], text=True, capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0, f"promtool {' '.join(words)}:\n{done.stdout}{done.stderr}"


def panel_expressions():
    """The expressions of the dashboard, each with what Grafana puts in for its variables."""
    dashboard = json.loads(DASHBOARD.read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    expressions += [annotation["expr"] for annotation in dashboard["annotations"]["list"]]
    values = {"$__rate_interval": "10s", "$instance": ".+", "$pool": ".+"}
    for name, value in values.items():
        expressions = [expression.replace(name, value) for expression in expressions]
    return expressions


def metrics_used_in(text):
    """The names of Berth's own metrics and of its process in a text."""
    return set(re.findall(r"\b(?:berth|process)_[a-z0-9_]+\b(?!\.)", text))


class Files(unittest.TestCase):
    def test_promtool_finds_no_fault_in_the_rules_and_their_cases_pass(self):
        promtool("check", "rules", str(RULES))
        promtool("test", "rules", str(RULE_TESTS))

    def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(self):
        cases = RULE_TESTS.read_text()
        for alert in ALERTS:
            self.assertRegex(cases, rf'- name: {alert}\b', alert)
        self.assertIn("a server that is well has no alert", cases)

    def test_each_alert_has_a_page_that_says_what_to_do_and_no_page_is_left_over(self):
        pages = {page.stem for page in RUNBOOKS.glob("Berth*.md")}
        self.assertEqual(pages, set(ALERTS))
        index = (RUNBOOKS / "README.md").read_text()
        rules = RULES.read_text()
        for alert in ALERTS:
            page = (RUNBOOKS / f"{alert}.md").read_text()
            self.assertTrue(page.startswith(f"# {alert}\n"), alert)
            self.assertIn("## Look", page, alert)
            self.assertIn("## Do", page, alert)
            self.assertIn(f"({alert}.md)", index)
            self.assertIn(f"runbook: docs/runbooks/{alert}.md", rules)
            for other in re.findall(r"\(([\w./]+\.md)", page):
                self.assertTrue((RUNBOOKS / other).exists(), f"{alert}: {other}")

    def test_the_dashboard_has_a_place_and_a_name_for_each_panel(self):
        panels = json.loads(DASHBOARD.read_text())["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        taken = set()
        for panel in panels:
            self.assertTrue(panel["title"])
            place = panel["gridPos"]
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])}
            self.assertFalse(cells & taken, panel["title"])
            self.assertLessEqual(place["x"] + place["w"], 24)
            taken |= cells


class Prometheus:
    """A Prometheus that takes the rules with seconds for minutes, and looks at each server once a second."""

    def __init__(self, folder, servers):
        self.address = f"127.0.0.1:{free_port()}"
        rules = RULES.read_text()
        rules = rules.replace("[1h]", "[60m]")
        rules = re.sub(r"\[(\d+)m\]", r"[\1s]", rules)
        rules = re.sub(r"for: (\d+)m", r"for: \1s", rules)
        assert not re.search(r"\d[mh]\b(?=\]|$)", rules.replace("# ", "")), "a time is left"
        (folder / "rules.yml").write_text(rules)
        targets = [{"targets": [server.http], "labels": {"instance": server.name}} for server in servers]
        (folder / "prometheus.yml").write_text(json.dumps({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": ["rules.yml"],
            "scrape_configs": [{"job_name": "berth", "static_configs": targets}]}))
        self.log = open(folder / "prometheus.log", "w")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address={self.address}"], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        eventually(lambda: get(self.address, "/-/ready")[0] == 200, "Prometheus is ready")

    def query(self, expression):
        status, text = get(self.address, "/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        assert status == 200, f"{expression}: {text}"
        return json.loads(text)["data"]["result"]

    def has_fired(self, alert, server):
        return self.query(f'max_over_time(ALERTS{{alertname="{alert}", instance="{server}", alertstate="firing"}}[10m])')

    def end(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.log.close()


class Provoked(unittest.TestCase):
    """Each alert fires on a server to which the matter happens, and none on one that is well."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="berth-watching-", dir="/run"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.servers, cls.clients, cls.provoked = {}, [], []
        cls.addClassCleanup(cls.end)

        def server(name, settings):
            cls.servers[name] = Server(name, cls.folder, settings).start()
            return cls.servers[name]

        pool = "  one: {{image: host, {}}}\n"
        # A tmpfs per container of 4 MiB, so that ten servers' containers are small.
        small = "tmpfs: 4m, memory: 32m"
        cls.well = server("well", f"pools:\n{pool.format('size: 2, ' + small)}")
        cls.failing = server("failing", f"pools:\n{pool.format('size: 1, backoff: 1s, create_timeout: 5s, ' + small)}")
        cls.full = server(
            "full", "max_connections: 4\nmemory_budget: 32m\n"
            f"pools:\n{pool.format('size: 1, max: 1, ' + small)}")
        cls.cold = server("cold", f"pools:\n{pool.format('size: 0, max: 2, ' + small)}")
        cls.slow = server("slow", f"pools:\n{pool.format('size: 1, ' + small)}")
        cls.stuck = server(
            "stuck", f"remove_timeout: 1s\npools:\n{pool.format('size: 1, ' + small)}")
        cls.dying = server("dying", f"pools:\n{pool.format('size: 3, min_life: 0s, ' + small)}")
        cls.old = server("old", f"pools:\n{pool.format('size: 2, ' + small)}")
        cls.holding = server(
            "holding", "held_memory: 16m\nheld_memory_per_client: 16m\n"
            f"pools:\n{pool.format('size: 1, memory: 256m, processes: 64')}")
        cls.draining = server("draining", f"drain_time: 5m\npools:\n{pool.format('size: 1, ' + small)}")
        cls.restarting = server("restarting", f"pools:\n{pool.format('size: 0, ' + small)}")
        cls.gone = server("gone", f"pools:\n{pool.format('size: 0, ' + small)}")
        for each in cls.servers.values():
            target = each.metric("berth_pool_idle_min")
            eventually(lambda: each.metric('berth_pool_members{pool="one",state="idle"}') >= target,
                       lambda: f"{each.name} is warm: {each.log()}")
        cls.prometheus = Prometheus(cls.folder, cls.servers.values())
        cls.addClassCleanup(cls.prometheus.end)
        eventually(lambda: len(cls.prometheus.query("berth_ready == 1")) == len(cls.servers), "all are scraped")
        cls.provoke()

    @classmethod
    def end(cls):
        for client in cls.clients:
            client.kill()
            client.wait()
        for flag in ("no-create", "slow"):
            for server in cls.servers.values():
                (server.folder / flag).unlink(missing_ok=True)
        cls.stuck.let_members_go()
        for server in cls.servers.values():
            # The second signal ends the wait for programs.
            if server.process and server.name == "draining":
                server.process.send_signal(signal.SIGTERM)
            server.end()

    @classmethod
    def provoke(cls):
        """What is to happen to each server; the alerts come when they come."""
        # The one idle member is taken, and none follows.
        (cls.failing.folder / "no-create").touch()
        cls.failing.berth("run", "--", "true")
        (cls.slow.folder / "slow").touch()
        cls.slow.berth("run", "--", "true")
        cls.stuck.hold_members()
        cls.stuck.berth("run", "--", "true")

        # One program has the only container, one waits for it, and two look on.
        cls.clients += [cls.full.client("run", "--timeout", "10m", "--", "sleep", "600")]
        eventually(lambda: cls.full.metric("berth_executions") == 1, "the program runs")
        cls.clients += [cls.full.client("run", "--wait", "10m", "--", "true"), cls.full.client("stats", "--watch"),
                        cls.full.client("stats", "--watch")]

        cls.clients += [cls.draining.client("run", "--timeout", "10m", "--", "sleep", "600")]
        eventually(lambda: cls.draining.metric("berth_executions") == 1, "the program runs")
        cls.draining.process.send_signal(signal.SIGTERM)

        # The limit of descriptors is lowered where nothing else happens.
        cls.gone.limit_descriptors()

        lease = cls.holding.berth("acquire", "--time", "10m")
        for _ in range(30):
            cls.holding.berth("run", "--lease", lease, "--detach", "--unwatched", "wait", "--timeout", "10m", "--",
                              "cat", "/dev/zero")

        (cls.old.folder / "no-create").touch()
        cls.old.configure("pools:\n  one: {image: host, size: 2, tmpfs: 4m, memory: 48m}\n")
        cls.old.process.send_signal(signal.SIGHUP)

        for _ in range(24):
            cls.cold.berth("run", "--", "true")
        for _ in range(4):
            cls.dying.kill_members()
        for _ in range(3):
            cls.restarting.end()
            cls.restarting.start()
            began = cls.restarting.metric("process_start_time_seconds")
            eventually(lambda: any(float(sample["value"][1]) == began for sample in cls.prometheus.query(
                'process_start_time_seconds{instance="restarting"}')), "Prometheus has seen the restart")

    def fires(self, alert, server):
        eventually(lambda: self.prometheus.has_fired(alert, server.name),
                   lambda: f"{alert} fires: {self.prometheus.query('ALERTS')}\n{server.log()}", 120)
        type(self).provoked.append(alert)

    def test_creates_that_fail(self):
        for alert in ("BerthBreakerOpen", "BerthNotReady", "BerthCreatesFail"):
            self.fires(alert, self.failing)

    def test_a_pool_that_is_full(self):
        for alert in ("BerthCallersWait", "BerthPoolFull", "BerthPoolThrottled", "BerthMembersMemoryFull",
                      "BerthConnectionsNearLimit"):
            self.fires(alert, self.full)

    def test_callers_that_wait_for_creates(self):
        self.fires("BerthColdAcquires", self.cold)

    def test_creates_that_take_long(self):
        self.fires("BerthCreatesSlow", self.slow)

    def test_removals_that_are_not_confirmed(self):
        self.fires("BerthRemovalsStuck", self.stuck)

    def test_containers_that_are_killed(self):
        self.fires("BerthContainersDie", self.dying)

    def test_containers_that_a_reload_does_not_replace(self):
        self.fires("BerthOutdatedMembers", self.old)

    def test_output_that_nobody_reads(self):
        self.fires("BerthHeldMemoryHigh", self.holding)

    def test_a_server_that_drains_and_does_not_end(self):
        self.fires("BerthDrainsLong", self.draining)

    def test_a_server_that_starts_again_and_again(self):
        self.fires("BerthRestarts", self.restarting)

    def test_few_descriptors_and_then_a_server_that_is_gone(self):
        self.fires("BerthDescriptorsNearLimit", self.gone)
        self.gone.end(signal.SIGKILL)
        self.fires("BerthDown", self.gone)

    def test_metrics_in_rules_and_dashboard_exist(self):
        text = get(self.well.http, "/metrics")[1]
        known = set(re.findall(r"^(\w+)", re.sub(r"(?m)^#.*\n", "", text), re.M))
        used = metrics_used_in(RULES.read_text()) | metrics_used_in("\n".join(panel_expressions()))
        used |= metrics_used_in(DASHBOARD.read_text())
        self.assertGreater(len(used), 25)
        self.assertEqual(used - known - {"process_start_time"}, set())

    def test_each_expression_of_the_dashboard_has_values(self):
        for expression in panel_expressions():
            eventually(lambda: self.prometheus.query(expression), f"{expression} has values")

    def test_zz_nothing_was_said_of_the_server_that_is_well_and_every_alert_was_seen(self):
        self.assertEqual(self.prometheus.query('max_over_time(ALERTS{instance="well"}[10m])'), [])
        self.assertEqual(set(self.provoked), set(ALERTS))


if __name__ == "__main__":
    unittest.main(verbosity=2)
