#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Helm chart of packaging/helm: rendered as Helm does, compared with the plain manifest, and its configuration read by berth.

    BERTH=…/berth packaging/tests/chart.py
"""
import copy
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import jsonschema
import yaml

from servers import ROOT

CHART = ROOT / "packaging/helm/berth"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())


class Chart(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="berth-chart-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        # Debian's packages of Go's libraries are a GOPATH.
        environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode"}
        subprocess.run(["go", "build", "-o", cls.folder / "render", "."], cwd=ROOT / "packaging/tests/helm", env=environment,
                       check=True)

    def render(self, release="berth", namespace="berth", **values):
        """Objects by kind and name, of a release with these values beside those of the chart."""
        path = self.folder / "values.yaml"
        path.write_text(yaml.safe_dump(values))
        jsonschema.validate({**VALUES, **values}, json.loads((CHART / "values.schema.json").read_text()))
        done = subprocess.run([self.folder / "render", CHART, release, namespace, path], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.notes = done.stderr
        objects = [each for each in yaml.safe_load_all(done.stdout) if each]
        return {(each["kind"], each["metadata"]["name"]): each for each in objects}

    def configuration(self, objects):
        """What berth reads of it, all settings with their values."""
        (text,) = [each["data"]["berth.yaml"] for (kind, _), each in objects.items() if kind == "ConfigMap"]
        for name in ("tls.crt", "tls.key", "ca.crt", "tokens"):
            text = text.replace(f"/etc/berth/tls/{name}", str(self.folder / name)).replace(
                f"/etc/berth/tokens/{name}", str(self.folder / name))
        path = self.folder / "berth.yaml"
        path.write_text(text)
        done = subprocess.run([os.environ["BERTH"], "config", "--config", path], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return yaml.safe_load(done.stdout)

    def test_a_release_is_what_the_plain_manifest_is(self):
        ours = self.render()
        plain = {}
        for each in yaml.safe_load_all((ROOT / "packaging/kubernetes/berth.yaml").read_text()):
            if each["kind"] != "Namespace":
                inside = not each["kind"].startswith("Cluster")
                self.assertEqual(each["metadata"].pop("namespace", None), "berth" if inside else None)
                plain[each["kind"], each["metadata"]["name"]] = each
        self.assertEqual(ours.keys(), plain.keys())
        labels = {"app.kubernetes.io/name": "berth", "app.kubernetes.io/instance": "berth"}
        every = {**labels, "app.kubernetes.io/version": "0.1.0", "app.kubernetes.io/managed-by": "Helm"}
        name = {"app.kubernetes.io/name": "berth"}

        def as_plain(value):
            """Without what only a chart has: its labels, and the checksum of the configuration."""
            if isinstance(value, dict):
                if value in (labels, every):
                    return name
                return {key: as_plain(item) for key, item in value.items() if key != "annotations"}
            return [as_plain(item) for item in value] if isinstance(value, list) else value

        for key, object in ours.items():
            object = copy.deepcopy(object)
            self.assertEqual(object["metadata"].pop("labels"), every)
            self.assertNotIn("namespace", object["metadata"])
            expected = plain[key]
            if key[0] == "ConfigMap":
                self.assertEqual(self.configuration(ours), self.configuration({key: expected}))
                continue
            if key[0] == "Deployment":
                spec, other = (each["spec"]["template"]["spec"] for each in (object, expected))
                self.assertEqual(spec["containers"][0].pop("imagePullPolicy"), "IfNotPresent")
                self.assertEqual(spec["containers"][0]["volumeMounts"].pop(0)["mountPath"], "/etc/berth/berth.yaml")
                self.assertEqual(other["containers"][0]["volumeMounts"].pop(0)["mountPath"], "/etc/berth")
            if key[0] == "Service":
                self.assertEqual(object["spec"].pop("type"), "ClusterIP")
            self.assertEqual(as_plain(object), expected, key)

    def test_tls_and_tokens_are_mounted_and_the_port_speaks_tls(self):
        objects = self.render(tls={"secret": "t", "clientCA": True}, tokens={"secret": "k"}, config={"tenants": {"team": {}}})
        pod = objects["Deployment", "berth"]["spec"]["template"]["spec"]
        self.assertEqual({each["name"]: each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each},
                         {"tls": "t", "tokens": "k"})
        self.assertLessEqual({"/etc/berth/tls", "/etc/berth/tokens"},
                             {each["mountPath"] for each in pod["containers"][0]["volumeMounts"]})
        settings = self.configuration(objects)
        self.assertEqual(settings["listen"], ["tls://0.0.0.0:7411"])
        self.assertEqual([settings[key].rpartition("/")[2] for key in ("tls.certificate", "tls.key", "tls.client_ca", "tokens")],
                         ["tls.crt", "tls.key", "ca.crt", "tokens"])
        self.assertIn("tls://berth.berth:7411", self.notes)

    def test_another_release_elsewhere_with_everything_set(self):
        objects = self.render(
            "other", "far", imagePullSecrets=["pull"], podAnnotations={"a": "b"}, nodeSelector={"c": "d"},
            tolerations=[{"operator": "Exists"}], affinity={"nodeAffinity": {}}, serviceMonitor={"enabled": True, "labels": {"e": "f"}},
            service={"type": "LoadBalancer", "annotations": {"g": "h"}},
            config={"kubernetes": {"namespace": "far"}, "pools": {"x": {"runtime_name": "gvisor"}}})
        self.assertTrue(all(name.startswith("other") for _, name in objects), objects.keys())
        self.assertEqual(objects["RoleBinding", "other"]["subjects"][0]["namespace"], "far")
        pod = objects["Deployment", "other"]["spec"]["template"]
        self.assertEqual(pod["metadata"]["annotations"]["a"], "b")
        self.assertEqual(
            [pod["spec"][key] for key in ("imagePullSecrets", "nodeSelector", "tolerations", "affinity")],
            [[{"name": "pull"}], {"c": "d"}, [{"operator": "Exists"}], {"nodeAffinity": {}}])
        self.assertEqual(objects["ServiceMonitor", "other"]["metadata"]["labels"]["e"], "f")
        self.assertEqual([port["name"] for port in objects["Service", "other"]["spec"]["ports"]], ["ttrpc", "http"])
        self.assertEqual(objects["Service", "other"]["metadata"]["annotations"], {"g": "h"})
        settings = self.configuration(objects)
        self.assertEqual(settings["kubernetes.namespace"], "far")
        self.assertEqual(settings["kubernetes.agent"], VALUES["agent"])
        self.assertEqual(settings["pools"]["x"]["runtime_name"], "gvisor")
        # Helm merges maps, so the pool of the chart's own values is still there unless it is set to null.
        self.assertEqual(set(settings["pools"]), {"python", "x"})
        self.assertEqual(objects["ClusterRoleBinding", "other-far-nodes"]["subjects"][0]["namespace"], "far")
        self.assertFalse(any(kind.startswith("Cluster") for kind, _ in self.render(watchNodes=False)))
        self.assertFalse(any(kind == "NetworkPolicy" for kind, _ in self.render(networkPolicy={"enabled": False, "clients": []})))

    def test_another_configuration_is_another_pod(self):
        def sum_of(objects):
            return objects["Deployment", "berth"]["spec"]["template"]["metadata"]["annotations"]["checksum/configuration"]

        self.assertEqual(sum_of(self.render()), sum_of(self.render(podAnnotations={"a": "b"})))
        self.assertNotEqual(sum_of(self.render()), sum_of(self.render(agent="image:/berth-agent")))

    def test_values_that_can_not_be_are_refused_by_the_schema(self):
        for wrong in ({"imag": "x"}, {"agent": "nowhere"}, {"config": {"listen": ["x"]}}, {"config": {"kubernetes": {"agent": "x"}}},
                      {"service": {"type": "x"}}, {"tls": {"key": "x"}}, {"image": ""}, {"terminationGracePeriodSeconds": 0}):
            with self.subTest(wrong), self.assertRaises(jsonschema.ValidationError):
                self.render(**wrong)
        every = set(json.loads((CHART / "values.schema.json").read_text())["properties"]) - {"global"}
        self.assertEqual(every, set(VALUES))


if __name__ == "__main__":
    unittest.main()
