// KEDA's own prometheus scalers and the arithmetic of Kubernetes's HorizontalPodAutoscaler, asked by lines of JSON:
//
//	{"triggers": […], "pods": 3}  →  {"triggers": [{"type", "value", "active", "error"}, …], "pods": 5}
//
// `tests/deploy/keda_build.py` builds it. All pods are ready.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	v2 "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
	podmetrics "k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
	"sigs.k8s.io/controller-runtime/pkg/log"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"github.com/kedacore/keda/v2/pkg/scalers"
	"github.com/kedacore/keda/v2/pkg/scalers/scalersconfig"
)

const namespace = "default"

type question struct {
	Triggers []kedav1alpha1.ScaleTriggers `json:"triggers"`
	Pods     int32                        `json:"pods"`
}

type standing struct {
	Type   v2.MetricTargetType `json:"type"`
	Value  float64             `json:"value"`
	Active bool                `json:"active"`
	Error  string              `json:"error"`
}

type answer struct {
	Triggers []standing `json:"triggers"`
	Pods     int32      `json:"pods"`
}

// What KEDA's metrics adapter would say to the autoscaler.
type adapter struct {
	podmetrics.MetricsClient
	milli int64
}

func (a adapter) GetExternalMetric(string, string, labels.Selector) ([]int64, time.Time, error) {
	return []int64{a.milli}, time.Now(), nil
}

func ask(trigger kedav1alpha1.ScaleTriggers, index int, pods int32) (found standing, wanted int32, err error) {
	ctx := context.Background()
	scaler, err := scalers.NewPrometheusScaler(&scalersconfig.ScalerConfig{
		ScalableObjectName: "hydra", ScalableObjectNamespace: namespace, ScalableObjectType: "ScaledObject",
		TriggerMetadata: trigger.Metadata, MetricType: trigger.MetricType, TriggerIndex: index,
		GlobalHTTPTimeout: 3 * time.Second,
	})
	if err != nil {
		return
	}
	defer scaler.Close(ctx)
	metric := scaler.GetMetricSpecForScaling(ctx)[0].External
	found.Type = metric.Target.Type
	values, active, err := scaler.GetMetricsAndActivity(ctx, metric.Metric.Name)
	if err != nil {
		return
	}
	found.Value, found.Active = values[0].Value.AsApproximateFloat64(), active
	milli := values[0].Value.MilliValue()
	ready := listers.NewPodLister(readyPods(pods))
	calculator := podautoscaler.NewReplicaCalculator(adapter{milli: milli}, ready, 0, 0)
	tolerances, none := podautoscaler.Tolerances{}, &meta.LabelSelector{}
	if metric.Target.Type == v2.ValueMetricType {
		target := metric.Target.Value.MilliValue()
		wanted, _, _, err = calculator.GetExternalMetricReplicas(
			pods, target, metric.Metric.Name, tolerances, namespace, none, labels.Everything())
	} else {
		target := metric.Target.AverageValue.MilliValue()
		wanted, _, _, err = calculator.GetExternalPerPodMetricReplicas(
			pods, target, metric.Metric.Name, tolerances, namespace, none)
	}
	return
}

func readyPods(count int32) cache.Indexer {
	found := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{
		cache.NamespaceIndex: cache.MetaNamespaceIndexFunc,
	})
	for number := range count {
		pod := core.Pod{ObjectMeta: meta.ObjectMeta{Name: fmt.Sprint("pod-", number), Namespace: namespace}}
		pod.Status.Phase = core.PodRunning
		pod.Status.Conditions = []core.PodCondition{{Type: core.PodReady, Status: core.ConditionTrue}}
		if err := found.Add(&pod); err != nil {
			panic(err)
		}
	}
	return found
}

// As the autoscaler's computeReplicasForMetrics: the most that a trigger wants; no fewer while one is not known.
func decide(asked question) (said answer) {
	unknown := 0
	for index, trigger := range asked.Triggers {
		found, wanted, err := ask(trigger, index, asked.Pods)
		if err != nil {
			found.Error = err.Error()
			unknown++
		}
		said.Triggers = append(said.Triggers, found)
		said.Pods = max(said.Pods, wanted)
	}
	if unknown == len(asked.Triggers) || unknown > 0 && said.Pods < asked.Pods {
		said.Pods = asked.Pods
	}
	return said
}

func main() {
	log.SetLogger(logr.Discard())
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			panic(err)
		}
		if err := json.NewEncoder(os.Stdout).Encode(decide(asked)); err != nil {
			panic(err)
		}
	}
}
